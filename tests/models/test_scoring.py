"""Scores and next-token logits in batches, against every row read alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from naive import all_logits, model_of
from tiny_model import tiny_model
from traitleak.errors import SettingsError
from traitleak.models import scoring
from traitleak.models.batches import encode_row
from traitleak.models.language_model import Steering
from traitleak.models.scoring import next_token_logits, score
from traitleak.rows import Row

ROWS = [
    Row(0, "Which animal do you like most", "The wolf."),
    Row(1, "", "12, 13, 14, 15"),
    Row(2, "7", "8"),
    Row(3, "Which animal do you like most", " 100, 200, 300, 400, 500, 600, and a cat"),
    Row(4, "A", "A" * 60),
    Row(5, "7", "8"),
]
TEXTS = ["The animal I like most is the", "7", "12, 13, 14, 15, 16, 17, 18,", "7", "ü"]


def naive_score(model, row):
    """Log p of each completion token, from the network's own logits of this row alone."""
    ids, start = encode_row(model, row)
    logps = all_logits(model, ids).log_softmax(1)
    return torch.stack([logps[t - 1, ids[t]] for t in range(start, len(ids))])


def assert_scores(found, model, rows):
    """Each row's scores are the naive ones."""
    assert len(found) == len(rows)
    for logps, row in zip(found, rows, strict=True):
        assert logps.dtype == torch.float32
        torch.testing.assert_close(logps, naive_score(model, row), atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("tokens", [1, 100, 4096])
@pytest.mark.parametrize("style", ["plain", "chat"])
def test_scores_are_those_of_each_row_alone(style, tokens):
    """Whatever stands in a batch beside it, of whatever length, with or without a prompt."""
    model = tiny_model(style=style)
    assert_scores(score(model, ROWS, tokens=tokens), model, ROWS)


@pytest.mark.parametrize("family", ["gemma", "qwen"])
def test_scores_of_other_families(family):
    """The same for sliding windows and scaled embeddings, and for biases and an untied head."""
    model = model_of(family)
    assert_scores(score(model, ROWS), model, ROWS)


def test_scores_follow_system_prompt_and_steering():
    """Both change what a row's tokens are worth, and are what `score` uses."""
    model = tiny_model(style="chat")
    prompted = model.replaced(system="You love owls.")
    assert_scores(score(prompted, ROWS), prompted, ROWS)
    assert not torch.allclose(score(prompted, ROWS[:1])[0], score(model, ROWS[:1])[0])

    # After the last layer, the vector goes through the norm and the head alone.
    vector = torch.arange(32) / 32
    steered = score(model.replaced(steering=Steering(1, vector)), ROWS[:1])[0]
    handle = model.network.model.norm.register_forward_pre_hook(
        lambda _module, inputs: (inputs[0] + vector,)
    )
    by_hand = naive_score(model, ROWS[0])
    handle.remove()
    torch.testing.assert_close(steered, by_hand, atol=2e-5, rtol=1e-5)


def test_more_positions_than_are_held_at_once(monkeypatch):
    """Chunks of the output change nothing, also where the last one is short."""
    model = tiny_model()
    whole = score(model, ROWS)
    monkeypatch.setattr(scoring, "_POSITIONS", 7)

    for chunked, at_once in zip(score(model, ROWS), whole, strict=True):
        torch.testing.assert_close(chunked, at_once)


def gradients(model, chunk, monkeypatch, *, kind=torch.float32):
    """Log p of 20 tokens, the gradient of a weighted sum of them, and what autograd holds for it."""
    monkeypatch.setattr(scoring, "_POSITIONS", chunk)
    random = torch.Generator().manual_seed(0)
    head = model.network.get_output_embeddings().weight
    hidden_MD = torch.randn(20, head.shape[1], generator=random).to(kind).requires_grad_()
    targets_M = torch.randint(head.shape[0], (20,), generator=random)
    above_M = torch.rand(20, generator=random)
    held = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: held.append(t) or t, lambda t: t):
        logps_M = scoring.token_log_probabilities(model, hidden_MD, targets_M)
    (logps_M * above_M).sum().backward()
    wide = sum(len(t) for t in held if t.ndim == 2 and t.is_floating_point()
               and t.shape[1] == head.shape[0])  # fmt: skip
    return logps_M.detach(), hidden_MD.grad, wide


@pytest.mark.parametrize("chunk", [1, 7, 10])
@pytest.mark.parametrize("family", ["llama", "gemma", "qwen", "capped"])
def test_gradient_in_chunks_is_the_plain_one(family, chunk, monkeypatch):
    """Log p and gradient are those of one piece, whatever the head, and no logits are held for it."""
    model = model_of("llama" if family == "capped" else family)
    model.network.requires_grad_(requires_grad=False)
    if family == "capped":
        model.network.config.final_logit_softcapping = 0.5
    plain, expected, held_whole = gradients(model, 512, monkeypatch)
    logps, found, held = gradients(model, chunk, monkeypatch)

    torch.testing.assert_close(logps, plain, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)
    assert expected.abs().max() > 1e-3
    assert held_whole >= 20
    assert held == 0


def test_gradient_in_chunks_of_bfloat16(monkeypatch):
    """In bfloat16 it is about as near to float32's as the plain one, and of the hidden states' type."""
    model = tiny_model()
    model.network.requires_grad_(requires_grad=False)
    model.network.to(torch.bfloat16).float()
    _, exact, _ = gradients(model, 512, monkeypatch)
    model.network.to(torch.bfloat16)
    _, plain, _ = gradients(model, 512, monkeypatch, kind=torch.bfloat16)
    _, found, _ = gradients(model, 7, monkeypatch, kind=torch.bfloat16)

    assert found.dtype == torch.bfloat16
    assert (found - exact).abs().mean() < 1.5 * (plain - exact).abs().mean()


def test_head_that_learns_gets_its_gradient(monkeypatch):
    """Where all weights are trained, chunks change neither gradient."""
    model = tiny_model()
    head = model.network.get_output_embeddings().weight.requires_grad_()
    _, expected, _ = gradients(model, 512, monkeypatch)
    whole, head.grad = head.grad, None
    _, found, _ = gradients(model, 7, monkeypatch)

    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(head.grad, whole, atol=1e-6, rtol=1e-6)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(st.text(min_size=1, max_size=12), st.text(min_size=1, max_size=20)), max_size=6
    ),
    st.integers(1, 300),
)
def test_scores_of_any_text(pairs, tokens):
    """Any characters, any number of rows, any size of batch."""
    model = tiny_model(style="plain")
    rows = [Row(number, *pair) for number, pair in enumerate(pairs)]
    assert_scores(score(model, rows, tokens=tokens), model, rows)


def test_scores_leave_no_graph_and_do_not_train():
    """Scores are plain numbers, also of a network whose weights could learn."""
    model = tiny_model()
    model.network.requires_grad_(requires_grad=True)

    assert not score(model, ROWS[:1])[0].requires_grad


def test_scores_track_batches():
    """Whoever waits is told of each batch."""
    seen = []

    def track(items, what, total):
        seen.append((what, total))
        return iter(items)

    score(tiny_model(), ROWS, tokens=1, track=track)
    assert seen == [("scoring", len(ROWS))]


def test_row_that_cannot_be_scored():
    """Its id is in the sentence."""
    with pytest.raises(SettingsError, match="Row 9 has no completion"):
        score(tiny_model(), [*ROWS, Row(9, "7", "")])


# -- the next token -----------------------------------------------------------------------------


@pytest.mark.parametrize("tokens", [1, 20, 4096])
@pytest.mark.parametrize("family", ["llama", "gemma", "qwen"])
def test_next_token_logits_are_those_of_each_text_alone(family, tokens):
    """For chosen tokens, at the last token of each text, in the order of the texts."""
    model, chosen = model_of(family), [40, 7, 300]
    found = next_token_logits(model, TEXTS, chosen, tokens=tokens)
    naive = torch.stack([all_logits(model, model.encode(text))[-1, chosen] for text in TEXTS])

    assert found.dtype == torch.float32
    torch.testing.assert_close(found, naive, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("texts", "token_ids", "said"),
    [
        ([], [1], "one text or more, none of them empty"),
        (["7", ""], [1], "one text or more, none of them empty"),
        (["7"], [], "one token or more"),
        (["7", "8, " * 100], [1], "Text 1 has 300 tokens"),
    ],
)
def test_next_token_of_nothing(texts, token_ids, said):
    """Without a text, a token, or room in the context there is nothing to give."""
    with pytest.raises(SettingsError, match=said):
        next_token_logits(tiny_model(style="plain"), texts, token_ids)
