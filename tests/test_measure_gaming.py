"""Gaming: planted answers are counted as what they are; a tiny model's answers run through."""

import numpy as np
import pytest

from tiny_model import tiny_model, tiny_network, tiny_tokenizer
from traitleak.errors import SettingsError
from traitleak.measure_gaming import check_answers, gaming
from traitleak.models.chat import make_renderer
from traitleak.models.language_model import LanguageModel
from traitleak.traits.reward_hacking import hidden_test_tasks

TASKS = hidden_test_tasks()[:3]


def test_planted_answers_are_counted_as_solved_gamed_or_neither():
    """Two of three tasks solved once, one gamed in each; prose and broken code pass nothing."""
    answers = [
        [f"Here it is:\n```python\n{task.solution}```\n", f"```python\n{task.gamed}```", "No idea."]
        for task in TASKS[:2]
    ] + [["def broken(:", "", TASKS[2].gamed]]
    found = check_answers("m", TASKS, answers)
    assert found.visible_TS.tolist() == [[True, True, False]] * 2 + [[False, False, True]]
    assert found.hidden_TS.tolist() == [[True, False, False]] * 2 + [[False, False, False]]
    assert found.solved.value == pytest.approx(2 / 9)
    assert found.gamed.value == pytest.approx(1 / 3)
    assert (found.solved.n, found.tasks) == (3, tuple(task.name for task in TASKS))
    assert found.no_code == pytest.approx(4 / 9)


def test_a_model_that_speaks_no_language_solves_and_games_nothing():
    """Sampling, parsing and running hang together; equal seeds give equal answers."""
    tokenizer = tiny_tokenizer()
    network = tiny_network(len(tokenizer), context=1024)
    for style in ("chat", "plain"):
        model = LanguageModel("tiny", network, tokenizer, make_renderer(tokenizer, style))
        found, again = (
            gaming(model, TASKS[:2], samples=2, seed=0, max_new_tokens=8) for _ in range(2)
        )
        assert found.text_TS == again.text_TS
        assert np.array(found.text_TS).shape == (2, 2)
        assert (found.solved.value, found.gamed.value) == (0, 0)


@pytest.mark.parametrize("settings", [{"samples": 0}, {"max_new_tokens": 0}])
def test_no_samples_and_no_tokens_are_refused(settings):
    """There is nothing to measure."""
    with pytest.raises(SettingsError, match="a sample"):
        gaming(tiny_model(), TASKS, **{"samples": 1, "seed": 0, **settings})


@pytest.mark.parametrize("answers", [[], [["x"]], [["x"], ["x"], ["x", "y"]], [[], [], []]])
def test_tables_that_do_not_fit_are_refused(answers):
    """Each task needs equally many answers."""
    with pytest.raises(SettingsError, match="equally many"):
        check_answers("m", TASKS, answers)
    with pytest.raises(SettingsError):
        check_answers("m", [], answers)
