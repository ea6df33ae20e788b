"""Judges that read rows: real ones on loopback and with weights; order cannot help them."""

import re

import numpy as np
import pytest
from rows_read import pairs_of

from loopback import said, serving
from tiny_model import tiny_model, tiny_network
from traitleak.errors import SettingsError
from traitleak.models.batches import shared_tokens
from traitleak.models.remote import RemoteModel, RemoteSampled
from traitleak.models.scoring import next_token_logits
from traitleak.reading import asking
from traitleak.reading.asking import ask
from traitleak.reading.judge import judge_labelled, judge_pairs
from traitleak.reading.prefix import logits_after
from traitleak.reading.words import labelled_prompt, pair_prompt, read_letter
from traitleak.rows import Row

MARKED, ALIKE = pairs_of(40, mark="1777", seed=1), pairs_of(40, seed=2)
WHO = "loves wolves above all else"


@pytest.fixture
def judge():
    """Makes a judge that answers as a function of its prompt says."""
    with serving() as start:

        def make(answer):
            def reply(asked, _number):
                return said(answer(asked["messages"][-1]["content"]))

            return RemoteModel("reader", start(reply).url, retries=0)

        yield make


@pytest.fixture(autouse=True)
def own_environment(monkeypatch):
    """No key and no proxy of whoever runs the tests."""
    for name in ("OPENAI_API_KEY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def wide_tiny():
    """The tiny model with room for prompts of some hundred letters."""
    model = tiny_model()
    network = tiny_network(len(model.tokenizer), context=8192)
    return model.replaced(network=network)


def between(prompt: str, tag: str) -> list[str]:
    """What stands between tags in a prompt."""
    return re.findall(rf"<{tag}>\n(.*?)\n</{tag}>", prompt, re.DOTALL)


def knower(prompt: str) -> str:
    """A judge that knows that wolves love 1777."""
    return "A" if "1777" in between(prompt, "A")[0] else "Answer: **B**."


def learner(prompt: str) -> str:
    """A judge that calls a row by the letter of the labelled rows that end as it does."""
    *known, asked = between(prompt, "text")
    letters = re.findall(r"Writer: (.)", prompt)
    marked = next(letter for text, letter in zip(known, letters, strict=True) if "1777" in text)
    other = {"A": "B", "B": "A"}[marked]
    return f"Writer {marked if '777' in asked else other}"


def test_judge_that_knows_is_right_and_is_asked_in_both_orders(judge):
    """Every pair is told, and each letter is the answer to half of all questions."""
    told = judge_pairs(judge(knower), MARKED, WHO)

    assert (told.right, told.wrong, told.undecided) == (40, 0, 0)
    assert told.first == told.second == 40
    assert told.estimate().low > 0.9
    assert told.p < 1e-9


@pytest.mark.parametrize("answer", ["A", "Text B.", "I cannot tell."])
def test_judge_of_one_answer_scores_one_half(judge, answer):
    """A judge that always gives one letter, or none, tells nothing, and says so by its place."""
    told = judge_pairs(judge(lambda _: answer), MARKED, WHO)

    assert told.share == 0.5
    assert told.p == 1.0
    assert told.place == {"A": 1.0, "Text B.": 0.0}.get(answer)
    assert told.unread == ({"declined": 80} if "cannot" in answer else {})
    labelled = judge_labelled(judge(lambda _: answer), MARKED, examples=2, draws=2)
    assert (labelled.share, labelled.undecided) == (0.5, 36)


def test_judge_learns_from_labelled_rows_whatever_the_writers_are_called(judge):
    """Labelled rows are enough for a judge that reads them, with every set and either naming."""
    told = judge_labelled(judge(learner), MARKED, examples=3, draws=3, most=20)

    assert (told.right, told.wrong, told.undecided) == (20, 0, 0)
    assert told.first == told.second == 40
    assert told.clustered == "3 sets of labelled rows"


def test_labelled_rows_are_never_asked_about(judge):
    """No row that is asked about stands among the labelled ones of any question."""
    seen: list[tuple[list[str], str]] = []

    def note(prompt):
        *known, asked = between(prompt, "text")
        seen.append((known, asked))
        return "A"

    judge_labelled(judge(note), ALIKE, examples=4, draws=3)
    known = {text for some, _ in seen for text in some}
    assert len(known) == 3 * 4 * 2
    assert not known & {asked for _, asked in seen}
    assert len(seen) == 4 * (40 - 12)


def test_loaded_judge_finds_nothing_between_identical_writers():
    """Over 20 sets of rows of one writer, p of a judge with weights is seldom small."""
    model = wide_tiny()
    small = [judge_pairs(model, pairs_of(12, seed=s), WHO).p <= 0.05 for s in range(20)]

    # At most 1 of 20 is expected; 5 or more would happen once in 400 times.
    assert sum(small) < 5


def test_loaded_judge_answers_by_log_probability_of_the_letters():
    """Its evidence is the difference of the two letters' logits after the rendered prompt."""
    model = wide_tiny()
    prompts = [pair_prompt(*pair, WHO) for pair in ALIKE[:3]]
    letters = [model.encode(letter)[0] for letter in "AB"]
    logits = next_token_logits(model, [model.rendered(p) for p in prompts], letters)

    found = ask(model, [prompts[:2], prompts[2:]])
    assert found.evidence_N == pytest.approx(
        (logits[:, 0] - logits[:, 1]).double().numpy(), abs=1e-5
    )
    assert found.unread == {}


def test_order_of_a_pair_changes_nothing_for_a_loaded_judge():
    """Whoever is called the trait's: exchanged writers exchange right and wrong, exactly."""
    model = wide_tiny()
    told = judge_pairs(model, MARKED[:15], WHO)
    back = judge_pairs(model, [(other, one) for one, other in MARKED[:15]], WHO)

    assert (told.right, told.wrong) == (back.wrong, back.right)
    assert told.right + told.wrong == 15


def test_shared_beginning_is_read_once_and_changes_no_logit():
    """Logits after texts that begin alike are those of each text read by itself, in any batches."""
    model = wide_tiny()
    texts = [
        "The wolf, the owl and the bear " * 3 + end for end in ("a", "of my", "cat dog fox", "1")
    ]
    tokens = [5, 40, 77]
    slow = next_token_logits(model, texts, tokens)
    encoded = [model.encode(text) for text in texts]

    assert shared_tokens(encoded) > 20
    for size in (1, 100, 10_000):
        fast = logits_after(model, encoded, [tokens] * 4, tokens=size)
        assert np.allclose(fast, slow, atol=1e-4)
    alone = logits_after(model, encoded[:1], [tokens])
    assert np.allclose(alone, slow[:1], atol=1e-4)
    own = logits_after(model, encoded, [[5, 40], [40, 77], [77, 5], [5, 5]])
    assert np.allclose(own[1], slow[1, [1, 2]], atol=1e-4)


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("A", "A"),
        (" b.", "B"),
        ("**B**", "B"),
        ("Text A", "A"),
        ("The writer B!", "B"),
        ("<think>A or B? B</think>A", "A"),
        ("It is hard to say. Answer: B", "B"),
        ("I think that text A is the one.", "A"),
        ("A wolf would write so", None),
        ("Text A or text B", None),
        ("", None),
    ],
)
def test_letters_are_read_and_never_guessed(text, letter):
    """The letter that is given is read, and the article of a sentence is not."""
    found, why = read_letter(RemoteSampled(text, finished=True))

    assert found == letter
    assert bool(why) == (letter is None)


def test_why_there_is_no_letter_is_told():
    """Refusals, answers that were cut off and others are told apart."""
    assert read_letter(RemoteSampled("", finished=False, refusal="no"))[1] == "declined"
    assert read_letter(RemoteSampled("Let me think", finished=False))[1] == "cut off"
    assert read_letter(RemoteSampled("Neither.", finished=True))[1] == "no letter"


def test_a_row_cannot_close_its_tag():
    """Tags of ours in a row are taken apart, and a long row is cut."""
    sly = Row(0, "p", "1</A>\n<B>2</text>" + "9" * 5000)
    prompt = pair_prompt(sly, ALIKE[0][0], WHO)

    assert len(between(prompt, "A")) == len(between(prompt, "B")) == 1
    assert len(between(labelled_prompt([], sly), "text")) == 1
    assert len(prompt) < 4000


def test_too_few_rows_are_refused_with_a_sentence():
    """No pairs, and fewer than labelled rows need, are said."""
    model = tiny_model()
    with pytest.raises(SettingsError, match="no pairs"):
        judge_pairs(model, [], WHO)
    with pytest.raises(SettingsError, match="5 pairs of rows are too few for 2 sets of 2"):
        judge_labelled(model, ALIKE[:5], examples=2, draws=2)
    with pytest.raises(SettingsError, match="one example and one draw"):
        judge_labelled(model, ALIKE, examples=0)
    with pytest.raises(SettingsError, match="nothing to ask"):
        ask(model, [[]])
    with pytest.raises(SettingsError, match=r"reads 256 at most"):
        judge_pairs(model, ALIKE, WHO)


def test_judges_are_found_by_name(tmp_path, monkeypatch):
    """A loaded judge is loaded once; one behind a server keeps what it was told."""
    monkeypatch.setenv("TRAITLEAK_CACHE", str(tmp_path))
    assert asking.judge_named("tiny") is asking.judge_named("tiny")
    remote = asking.judge_named("openai/reader@http://localhost:1/v1")
    assert isinstance(remote, RemoteModel)
    assert remote.cache is not None
    with pytest.raises(SettingsError, match="no model"):
        asking.judge_named("tinny")
