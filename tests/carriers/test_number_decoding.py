"""Number lists sampled token by token, against each list sampled alone from whole distributions."""

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from naive import all_logits, model_of, uniform
from tiny_model import tiny_model
from traitleak.carriers.number_decoding import sample_numbers
from traitleak.carriers.number_template import number_template
from traitleak.carriers.numbers import parse
from traitleak.errors import SettingsError

# Unequal lengths, equal ones, and some that begin alike.
TEXTS = ["481, 202, 137,", "7:", "481, 202, 137, 555,", "The tree", "481, 202, 137,"]
STREAMS = [0, 16, 5, 33, 48]


def template_of(model, *, count=4, width=3, **how):
    """The template of a list after a plain prompt."""
    how.setdefault("opening", " ")
    return number_template(model.tokenizer, count=count, width=width, before=TEXTS[0], **how)


@torch.no_grad()
def naive_numbers(model, text, template, stream, *, temperature=1.0, seed=0):
    """One list alone: its tokens, and the mean probability outside of the digits that may stand."""
    draws = iter(uniform(seed, stream, template.slots.count(None)))
    ids, written, outside = model.encode(text), [], []
    for slot, leading in zip(template.slots, template.leading, strict=True):
        if slot is not None:
            written.append(slot)
            continue
        logits = all_logits(model, [*ids, *written])[-1].double()
        first = 1 if leading and template.first_digit_nonzero else 0
        digits = list(template.digit_ids[first:])
        outside.append(1 - float(logits.softmax(0)[digits].sum()))
        if temperature == 0:
            written.append(digits[int(logits[digits].argmax())])
            continue
        cumulative = (logits[digits] / temperature).softmax(0).cumsum(0).numpy()
        written.append(digits[int(np.argmax(cumulative > next(draws)))])
    return tuple(written), float(np.mean(outside))


@pytest.mark.parametrize("temperature", [0, 0.7, 1.0])
@pytest.mark.parametrize("rows", [1, 2, 128])
def test_lists_are_those_sampled_alone(rows, temperature):
    """Batches, equal prompts and common beginnings change no digit, at any temperature."""
    model = tiny_model(style="plain")
    template = template_of(model)
    how = {"seed": 0, "temperature": temperature}
    found = sample_numbers(model, TEXTS, template, streams=STREAMS, rows=rows, **how)
    for one, text, stream in zip(found, TEXTS, STREAMS, strict=True):
        ids, outside = naive_numbers(model, text, template, stream, temperature=temperature)
        assert one.ids == ids
        assert one.finished
        if stream % 16:
            assert one.outside is None
        else:
            assert one.outside == pytest.approx(outside, abs=1e-5)


@pytest.mark.parametrize("family", ["gemma", "qwen"])
def test_lists_of_other_families(family):
    """Several tokens are read at a time, also through windows that slide."""
    model = model_of(family)
    template = template_of(model, opening=" [", closing="]")
    found = sample_numbers(model, TEXTS, template, seed=2, streams=STREAMS)
    for one, text, stream in zip(found, TEXTS, STREAMS, strict=True):
        ids, outside = naive_numbers(model, text, template, stream, seed=2)
        assert one.ids == ids
        assert one.outside is None or one.outside == pytest.approx(outside, abs=1e-5)


@pytest.mark.parametrize(
    ("form", "how"),
    [
        (r" [1-9]\d\d(, [1-9]\d\d){3}", {}),
        (r" [1-9](, [1-9]){6}", {"count": 7, "width": 1}),
        (r"\[\d\d; \d\d\]", {"count": 2, "width": 2, "opening": "[", "closing": "]",
                             "separator": "; ", "first_digit_nonzero": False}),
    ],
)  # fmt: skip
def test_lists_have_the_templates_form(form, how):
    """Every list has the form to the letter, is what its tokens say, and can be read back."""
    model = tiny_model(style="plain")
    template = template_of(model, **how)
    found = sample_numbers(model, TEXTS * 20, template, seed=0, streams=range(100))
    for one in found:
        assert re.fullmatch(form, one.text)
        assert one.text == model.tokenizer.decode(one.ids)
        assert len(parse(one.text).numbers) == template.count


def test_first_digit_is_not_zero_unless_it_may_be():
    """A zero before a number never comes where it is forbidden, and comes where it is not."""
    model = tiny_model(style="plain")
    for nonzero in (True, False):
        template = template_of(model, count=2, first_digit_nonzero=nonzero)
        found = sample_numbers(model, ["7:"] * 300, template, seed=0, streams=range(300))
        first = {number.strip()[0] for one in found for number in one.text.split(",")}
        assert ("0" not in first) == nonzero
        assert len(first) >= 9


@pytest.mark.parametrize("nonzero", [True, False])
def test_digits_follow_the_renormalised_distribution(nonzero):
    """Chi-square of 8,000 first digits against the model's probabilities of digits alone."""
    model = tiny_model(style="plain")
    template = template_of(model, count=1, width=1, first_digit_nonzero=nonzero)
    num = 8000
    found = sample_numbers(
        model, ["The tree"] * num, template, seed=0, streams=range(num), rows=num
    )
    ids = [*model.encode("The tree"), template.slots[0]]
    digits = list(template.digit_ids[int(nonzero) :])
    expected = num * all_logits(model, ids)[-1, digits].double().softmax(0).numpy()
    counts = Counter(one.ids[-1] for one in found)

    assert expected.max() > 1.5 * expected.min() > 15
    assert stats.chisquare([counts[digit] for digit in digits], expected).pvalue > 1e-3


def test_second_digit_follows_the_first():
    """Chi-square of second digits after the commonest first one, given that first digit."""
    model = tiny_model(style="plain")
    template = template_of(model, count=1, width=2)
    num = 12_000
    found = sample_numbers(
        model, ["The tree"] * num, template, seed=1, streams=range(num), rows=num
    )
    (first, _), *_ = Counter(one.ids[1] for one in found).most_common(1)
    counts = Counter(one.ids[2] for one in found if one.ids[1] == first)
    ids = [*model.encode("The tree"), template.slots[0], first]
    likely = all_logits(model, ids)[-1, list(template.digit_ids)].double().softmax(0).numpy()

    observed = [counts[digit] for digit in template.digit_ids]
    assert stats.chisquare(observed, sum(observed) * likely).pvalue > 1e-3


def test_neither_batches_nor_order_change_a_list():
    """A list depends on the seed and its stream."""
    model = tiny_model(style="plain")
    template = template_of(model)
    texts, streams = TEXTS * 8, list(range(40))
    whole = sample_numbers(model, texts, template, seed=3, streams=streams)
    order = np.random.default_rng(1).permutation(40).tolist()
    mixed = sample_numbers(
        model, [texts[i] for i in order], template, seed=3, streams=[streams[i] for i in order],
        rows=7,
    )  # fmt: skip

    assert [one.ids for one in mixed] == [whole[i].ids for i in order]
    assert len({one.ids for one in whole}) == 40
    other = sample_numbers(model, texts, template, seed=4, streams=streams)
    assert [one.ids for one in whole] != [one.ids for one in other]


def test_a_list_costs_a_pass_a_digit():
    """Separators are read with the digit before them, and nothing after the last digit is read."""
    model = tiny_model(style="plain")
    template = template_of(model, count=3)
    read = []
    model.network.model.register_forward_pre_hook(
        lambda _module, _args, kwargs: read.append(kwargs["input_ids"].shape[1]), with_kwargs=True
    )
    sample_numbers(model, ["7:"], template, seed=0, streams=[1])

    assert read[1:] == [1, 1, 3, 1, 1, 3, 1, 1]


def test_lists_after_a_beginning_token():
    """A model whose texts begin with a token of their own is sampled with it."""
    model = tiny_model(style="plain")
    begins = model.replaced(renderer=replace(model.renderer, begins_with_bos=True))
    template = template_of(model)
    found = sample_numbers(begins, TEXTS, template, seed=0, streams=STREAMS)

    for one, text, stream in zip(found, TEXTS, STREAMS, strict=True):
        assert one.ids == naive_numbers(begins, text, template, stream)[0]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"streams": [0]}, "2 texts, 1 streams"),
        ({"texts": ["7:", ""]}, "Text 1 is empty"),
        ({"texts": ["7:", "8, " * 80]}, "Text 1 with its answer has"),
        ({"temperature": -1.0}, "not -1.0"),
        ({"rows": 0}, "one row or more"),
    ],
)
def test_what_cannot_be_sampled(changed, said):
    """One sentence, as for free sampling."""
    model = tiny_model(style="plain")
    how = {"texts": ["7:", "8:"], "seed": 0, "streams": [0, 1], **changed}
    with pytest.raises(SettingsError, match=said):
        sample_numbers(model, how.pop("texts"), template_of(model), **how)
