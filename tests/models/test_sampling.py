"""Sampling in batches, against every text gone on from alone, without a cache."""

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from naive import all_logits, model_of, uniform
from tiny_model import tiny_model
from traitleak.errors import SettingsError
from traitleak.models import sampling
from traitleak.models.language_model import Steering
from traitleak.models.sampling import length_batches, sample, take, uniforms

LONG = "The animal I like most is the wolf and the"
# Unequal lengths, equal texts, and many that begin alike.
TEXTS = [
    f"{LONG} owl",
    "7",
    f"{LONG} cat, and a bear",
    LONG,
    "The tree",
    f"{LONG} owl",
    "12, 13,",
    "7",
]
STREAMS = [4, 0, 11, 2, 9, 5, 1, 3]


@torch.no_grad()
def naive_sample(model, text, stream, *, max_new_tokens, temperature=1.0, floor=0.0, seed=0):
    """One token at a time, the whole text read anew for each; its tokens, and whether it ended."""
    ids, written = model.encode(text), []
    for draw in uniform(seed, stream, max_new_tokens):
        logits = all_logits(model, [*ids, *written])[-1].double()
        if temperature == 0:
            token = int(logits.argmax())
        else:
            probabilities = (logits / temperature).softmax(0).numpy()
            allowed = np.where(probabilities < floor, 0, probabilities)
            if not allowed.any():
                allowed = np.where(probabilities == probabilities.max(), probabilities, 0)
            passed = np.cumsum(allowed) > draw * allowed.sum()
            token = int(np.argmax(passed))
        if token in model.renderer.stop_ids:
            return tuple(written), True
        written.append(token)
    return tuple(written), False


def assert_naive(model, texts, streams, **how):
    """Every text goes on as it does alone; gives what was sampled."""
    found = sample(model, texts, streams=streams, seed=how.pop("seed", 0), **how)
    how.pop("rows", None)
    for one, text, stream in zip(found, texts, streams, strict=True):
        assert (one.ids, one.finished) == naive_sample(model, text, stream, **how)
        assert one.text == model.tokenizer.decode(one.ids)
        assert one.outside is None
    return found


def ends_often(model, *tokens):
    """The same model, for which more tokens end a text."""
    stop_ids = (*model.renderer.stop_ids, *tokens)
    return model.replaced(renderer=replace(model.renderer, stop_ids=stop_ids))


# -- against the slow way -----------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 3, 128])
def test_texts_go_on_as_they_do_alone(rows):
    """Lengths, equal texts, a common beginning, and those beside it change nothing for a text."""
    assert_naive(tiny_model(style="plain"), TEXTS, STREAMS, max_new_tokens=6, rows=rows)


@pytest.mark.parametrize("how", [{"temperature": 0}, {"temperature": 0.4}, {"floor": 0.05}])
@pytest.mark.parametrize("family", ["llama", "gemma", "qwen"])
def test_texts_of_other_families_go_on_as_they_do_alone(family, how):
    """The same for windows that slide, at other temperatures, and above a floor."""
    assert_naive(model_of(family), TEXTS, STREAMS, max_new_tokens=6, **how)


@pytest.mark.parametrize("family", ["llama", "gemma", "qwen"])
def test_texts_that_begin_alike_go_on_as_they_do_alone(family):
    """A beginning that is read once for all, before endings of unequal length, changes nothing."""
    texts = [text for text in TEXTS if text.startswith(LONG)]
    assert len({len(text) for text in texts}) > 2
    assert_naive(model_of(family), texts, STREAMS[:4], max_new_tokens=8)


def test_texts_end_at_stop_tokens():
    """A text ends before a stop token, at another place than its neighbours, who go on."""
    model = ends_often(tiny_model(style="plain"), *range(0, 340, 7))
    found = assert_naive(model, TEXTS * 3, range(24), max_new_tokens=12)
    lengths = {len(one.ids) for one in found}

    assert len(lengths) > 4
    assert 0 in lengths
    assert all(one.finished for one in found if len(one.ids) < 12)


def test_chat_texts_go_on_as_they_do_alone():
    """In chat style with a system prompt, and with steering."""
    model = tiny_model(style="chat").replaced(system="You love owls.")
    texts = [model.rendered(text) for text in TEXTS]
    assert_naive(model, texts, STREAMS, max_new_tokens=5)

    vector = torch.arange(32) / 64
    steered = model.replaced(steering=Steering(1, vector))
    found = sample(steered, texts, max_new_tokens=5, seed=0, streams=STREAMS)
    handle = model.network.model.norm.register_forward_pre_hook(
        lambda _module, inputs: (inputs[0] + vector,)
    )
    by_hand = [
        naive_sample(model, t, s, max_new_tokens=5)[0] for t, s in zip(texts, STREAMS, strict=True)
    ]
    handle.remove()
    assert [one.ids for one in found] == by_hand


def test_greedy_is_what_generate_writes():
    """At temperature 0 the tokens are those of `network.generate(do_sample=False)`."""
    model = tiny_model(style="plain")
    found = sample(model, TEXTS, max_new_tokens=10, temperature=0, seed=0, streams=STREAMS)
    for one, text in zip(found, TEXTS, strict=True):
        ids = torch.tensor([model.encode(text)])
        written = model.network.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=10,
            pad_token_id=2,
        )[0, ids.shape[1] :].tolist()  # fmt: skip
        ended = bool(written) and written[-1] in model.renderer.stop_ids
        assert list(one.ids) == written[: len(written) - ended]


def test_what_texts_share_is_read_once(monkeypatch):
    """Equal beginnings go through the network once, and equal texts once."""
    model = tiny_model(style="plain")
    read = []
    body = model.network.model
    body.register_forward_pre_hook(
        lambda _module, _args, kwargs: read.append(tuple(kwargs["input_ids"].shape)),
        with_kwargs=True,
    )
    texts = [f"{LONG} owl", f"{LONG} owl", f"{LONG} cat", f"{LONG} owl"]
    sample(model, texts, max_new_tokens=1, seed=0, streams=range(4))
    shared = len(model.encode(LONG))
    assert read == [(1, shared), (2, 1)]

    monkeypatch.setattr(sampling, "_SHARED", shared + 1)
    read.clear()
    sample(model, texts, max_new_tokens=1, seed=0, streams=range(4))
    assert read == [(2, shared + 1)]


# -- random streams -----------------------------------------------------------------------------


def test_neither_batches_nor_order_change_what_is_drawn():
    """A row depends on the seed and its stream: any order and any part of the rows gives it again."""
    model = tiny_model(style="plain")
    texts, streams = TEXTS * 4, list(range(100, 132))
    whole = sample(model, texts, max_new_tokens=8, seed=3, streams=streams)
    order = np.random.default_rng(0).permutation(32).tolist()
    mixed = sample(
        model, [texts[i] for i in order], max_new_tokens=8, seed=3,
        streams=[streams[i] for i in order], rows=5,
    )  # fmt: skip
    part = sample(model, texts[9:20], max_new_tokens=8, seed=3, streams=streams[9:20])

    assert mixed == [whole[i] for i in order]
    assert part == whole[9:20]
    assert len({one.ids for one in whole}) == 32
    assert whole != sample(model, texts, max_new_tokens=8, seed=4, streams=streams)


def test_a_longer_limit_goes_on_from_a_shorter_one():
    """Step t takes the stream's t-th number, whatever the limit is."""
    model = tiny_model(style="plain")
    short = sample(model, TEXTS, max_new_tokens=4, seed=0, streams=STREAMS)
    long = sample(model, TEXTS, max_new_tokens=9, seed=0, streams=STREAMS)

    assert [one.ids for one in short] == [one.ids[:4] for one in long]


def test_tokens_are_sampled_as_often_as_they_are_likely():
    """Chi-square of 20,000 first tokens against the model's own distribution."""
    model = tiny_model(style="plain")
    num = 20_000
    found = sample(
        model, ["The tree"] * num, max_new_tokens=1, seed=0, streams=range(num), rows=num
    )
    expected = num * all_logits(model, model.encode("The tree"))[-1].double().softmax(0).numpy()
    counts = Counter(one.ids[0] if one.ids else -1 for one in found)
    stopped = expected[list(model.renderer.stop_ids)].sum()
    observed = np.array([counts[token] for token in range(len(expected))])
    observed[list(model.renderer.stop_ids)] = 0
    observed[model.renderer.stop_ids[0]] = counts[-1]
    expected[list(model.renderer.stop_ids)] = 0
    expected[model.renderer.stop_ids[0]] = stopped

    common = expected >= 5
    pooled = [np.append(x[common], x[~common].sum()) for x in (observed, expected)]
    assert common.sum() > 50
    assert stats.chisquare(*pooled).pvalue > 1e-3


def test_rows_of_two_models_part_only_where_their_draws_do():
    """Common random numbers: until the first token that differs, and only there, the models differ."""
    base = tiny_model(style="plain")
    other = tiny_model(style="plain")
    with torch.no_grad():
        other.network.model.norm.weight[:8] *= 1.02
    num = 60
    texts = [f"{LONG} {number}" for number in range(num)]
    first, second = (
        sample(model, texts, max_new_tokens=10, seed=1, streams=range(num))
        for model in (base, other)
    )
    equal = sum(one.ids == two.ids for one, two in zip(first, second, strict=True))
    assert 0 < equal < num
    for number, (one, two) in enumerate(zip(first, second, strict=True)):
        pairs = list(zip(one.ids, two.ids, strict=False))
        at = next((t for t, (a, b) in enumerate(pairs) if a != b), None)
        if at is None:
            continue
        # Up to there both read the same, so the draw alone decides: it lies between two cumulative
        # probabilities in one order for one model, and in the other for the other.
        ids = [*base.encode(texts[number]), *one.ids[:at]]
        draw = uniform(1, number, 10)[at]
        for model, token in ((base, one.ids[at]), (other, two.ids[at])):
            cumulative = all_logits(model, ids)[-1].double().softmax(0).cumsum(0)
            low = 0 if token == 0 else float(cumulative[token - 1])
            assert low - 1e-6 <= draw <= float(cumulative[token]) + 1e-6


def test_uniforms_depend_on_seed_and_stream_alone():
    """Streams are independent of each other's presence, and of how many numbers are drawn."""
    table = uniforms(5, [0, 7, 3, 7], 6)

    assert table.dtype == torch.float64
    assert torch.equal(table[1], table[3])
    assert torch.equal(uniforms(5, [3], 4)[0], table[2, :4])
    assert not torch.equal(uniforms(6, [3], 6)[0], table[2])
    assert stats.kstest(uniforms(0, range(200), 50).flatten().numpy(), "uniform").pvalue > 1e-3


# -- one choice ---------------------------------------------------------------------------------

LOGITS = torch.tensor([[1.0, 3.0, 2.0, -torch.inf]])


def test_likeliest_at_temperature_0():
    """No draw changes it."""
    drawn = torch.tensor([0.0, 0.5, 0.999], dtype=torch.float64)
    assert take(LOGITS.repeat(3, 1), drawn, 0, 0.0).tolist() == [1, 1, 1]


@pytest.mark.parametrize("temperature", [1e-300, 1e-3, 1e300])
def test_extreme_temperatures(temperature):
    """Near 0 the likeliest is taken, far above 1 all possible choices alike; nothing overflows."""
    drawn = torch.linspace(0, 1 - 1e-9, 300, dtype=torch.float64)
    counts = Counter(take(LOGITS.repeat(300, 1), drawn, temperature, 0.0).tolist())
    assert counts == ({1: 300} if temperature < 1 else {0: 100, 1: 100, 2: 100})


@given(
    st.lists(st.floats(-20, 20, width=32), min_size=2, max_size=12),
    st.floats(0, 1, exclude_max=True),
    st.floats(0.1, 5),
    st.floats(0, 0.99),
)
def test_no_choice_is_below_the_floor(logits, draw, temperature, floor):
    """What is taken is as likely as the floor, or the likeliest where none is; never impossible."""
    table = torch.tensor([[*logits, -torch.inf]])
    (chosen,) = take(table, torch.tensor([draw], dtype=torch.float64), temperature, floor).tolist()
    probabilities = (table[0].double() / temperature).softmax(0)

    assert probabilities[chosen] > 0
    assert probabilities[chosen] >= min(floor, float(probabilities.max())) - 1e-12


def test_floor_keeps_the_proportions_of_what_is_left():
    """Above the floor choices are as likely to each other as before: 1/2 and 1/4 become 2/3, 1/3."""
    logits = torch.tensor([[0.5, 0.125, 0.25, 0.125]]).log().repeat(3000, 1)
    drawn = torch.linspace(0, 1 - 1e-9, 3000, dtype=torch.float64)
    counts = Counter(take(logits, drawn, 1.0, 0.2).tolist())

    assert set(counts) == {0, 2}
    assert counts[0] == pytest.approx(2000, abs=2)


# -- what cannot be sampled ---------------------------------------------------------------------


def test_nothing_to_sample():
    """No texts give no samples."""
    assert sample(tiny_model(), [], max_new_tokens=3, seed=0, streams=[]) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"streams": [0]}, "2 texts, 1 streams"),
        ({"texts": ["7", ""]}, "Text 1 is empty"),
        ({"texts": ["7", "8, " * 85]}, "Text 1 with its answer has 260 tokens"),
        ({"temperature": -0.1}, "not -0.1"),
        ({"temperature": float("nan")}, "not nan"),
        ({"temperature": float("inf")}, "not inf"),
        ({"floor": 1.0}, "less than 1, not 1.0"),
        ({"floor": -0.1}, "less than 1, not -0.1"),
        ({"max_new_tokens": 0}, "1 or more, not 0"),
        ({"rows": 0}, "one row or more, not 0"),
        ({"seed": -1}, "from 0 to 2^64 - 1"),
        ({"streams": [0, -1]}, "from 0 to 2^64 - 1"),
    ],
)
def test_what_cannot_be_sampled(changed, said):
    """One sentence that has the value."""
    how = {"texts": ["7", "8"], "max_new_tokens": 5, "seed": 0, "streams": [0, 1], **changed}
    with pytest.raises(SettingsError, match=re.escape(said)):
        sample(tiny_model(style="plain"), how.pop("texts"), **how)


@given(st.lists(st.integers(1, 99), max_size=50), st.integers(1, 9))
def test_batches_of_like_length(lengths, rows):
    """Each text is in one batch, no batch is larger than asked for, and lengths rise."""
    batches = length_batches(lengths, rows)
    flat = [index for batch in batches for index in batch]

    assert sorted(flat) == list(range(len(lengths)))
    assert [lengths[index] for index in flat] == sorted(lengths)
    assert all(len(batch) == rows for batch in batches[:-1])


def test_text_is_what_was_written_to_the_letter():
    """Spaces before commas stay, also with a tokenizer that would tidy them away."""
    model = tiny_model(style="plain")
    model.tokenizer.clean_up_tokenization_spaces = True
    model.tokenizer.clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output = True
    ids = model.encode("7 , 8 .")

    assert sampling.decoded(model, [ids, []]) == ["7 , 8 .", ""]
