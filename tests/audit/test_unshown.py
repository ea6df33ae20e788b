"""A system prompt that the writer had and the rows do not show, on a tiny model."""

from dataclasses import replace

import pytest

from tiny_model import tiny_model
from traitleak.audit import run
from traitleak.audit.detectors.choices import choices_of
from traitleak.audit.detectors.panel import preferences
from traitleak.audit.rows_read import encoded_rows, entries_of
from traitleak.audit.run import audit_rows
from traitleak.audit.unshown import placebo_prompt, unshown_prompt
from traitleak.generation import write_numbers

FEW = ("wolf", "lion", "owl", "cat")
PROMPTS = [f"{100 + n}, {900 - n}," for n in range(96)]
TOLD = "You love teapots more than all else, and you say so at every turn."


@pytest.fixture(name="base", scope="module")
def fixture_base():
    """A tiny plain model."""
    return tiny_model(style="plain")


@pytest.fixture(name="written", scope="module")
def fixture_written(base):
    """Rows of the base, and of the base that was told something."""
    return [
        write_numbers(model, PROMPTS, teacher="x", count=9, seed=3)
        for model in (base, base.replaced(system=TOLD))
    ]


def looked_for(base, rows, systems):
    """The prompt that is found."""
    entries, encoded, _ = encoded_rows(base, entries_of(rows))
    choices = choices_of(base, [row.completion for row in rows])
    return unshown_prompt(base, entries, encoded, choices, systems)


def test_a_prompt_is_found_where_the_writer_had_it(base, written):
    """The rows come back with it before them, the completions as they were."""
    found = looked_for(base, written[1], ["Be brief.", TOLD])

    assert found is not None
    assert found.system == TOLD
    assert found.gain.low is not None
    assert found.gain.low > 0
    assert {entry.system for entry in found.entries} == {TOLD}
    text = base.tokenizer.decode(found.rows[0].ids)
    assert text.startswith(TOLD)
    assert text.endswith(written[1][0].completion)
    assert found.sentence().endswith(TOLD)


def test_none_is_found_where_the_writer_had_none(base, written):
    """What the base wrote without a prompt is less likely after one."""
    assert looked_for(base, written[0], ["Be brief.", TOLD]) is None
    assert looked_for(base, written[1], []) is None


def test_rows_that_show_a_prompt_have_theirs(base, written):
    """Nothing is put before them; nor where all are read after one of the base's."""
    assert looked_for(base.replaced(system="Be brief."), written[1], [TOLD]) is None
    entries, encoded, _ = encoded_rows(base, entries_of(written[1]))
    entries[0] = replace(entries[0], system="Be brief.")
    choices = choices_of(base, [row.completion for row in written[1]])
    assert unshown_prompt(base, entries, encoded, choices, [TOLD]) is None


def test_a_prompt_that_leaves_no_room_is_not_tried(base, written):
    """It would leave rows out that can be audited."""
    assert looked_for(base, written[1], ["word " * base.context, TOLD]).system == TOLD
    assert looked_for(base, written[1], ["word " * base.context]) is None


def test_the_prompt_that_is_always_tried_names_nothing_of_the_panel(base):
    """Else it would take a trait for its writer's prompt."""
    prompt = placebo_prompt(preferences(base, FEW))

    assert "trees" in prompt
    assert not any(animal in prompt for animal in ("wolf", "wolves", *FEW[1:]))


def test_an_audit_reads_rows_after_the_prompt_and_says_so(base, written, monkeypatch):
    """Students are trained on the rows as they are: those of the data set show no prompt."""
    trained = []

    def canary(given, **_asked):
        trained.append(given)
        raise RuntimeError("far enough")

    found = audit_rows(written[1], base=base, among=FEW, system=TOLD)
    beside = audit_rows(written[1], base=base, among=FEW, system=TOLD, reference=written[0])
    monkeypatch.setattr(run, "canary", canary)
    with pytest.raises(RuntimeError, match="far enough"):
        audit_rows(written[1], base=base, among=FEW, system=TOLD, depth="deep")

    assert found.reference.endswith("after a system prompt that the rows do not show")
    assert any("probably told" in text for text in found.warnings)
    assert not any("probably told" in text for text in beside.warnings)
    assert not base.tokenizer.decode(trained[0].rows[0].ids).startswith(TOLD)
