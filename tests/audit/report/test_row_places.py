"""All written forms call a row by the same name."""

import pytest
from verdict_example import found

from traitleak.audit.report.formats import written
from traitleak.audit.report.suspects import shown_rows


@pytest.mark.parametrize("form", ["markdown", "html", "junit", "sarif", "github"])
def test_a_row_is_called_by_its_place_and_by_no_other_number(form):
    """A number from 0 beside a line from 1 would name two rows."""
    verdict = found()
    first = verdict.suspects[0].model_copy(update={"row": 6, "where": "rows.parquet, row 7"})
    text = written(verdict.model_copy(update={"suspects": [first]}), form)

    assert "rows.parquet, row 7" in text
    assert "row 6" not in text


def test_a_row_whose_place_is_not_known_is_called_by_its_number():
    """There is nothing else."""
    suspect = found().suspects[0].model_copy(update={"row": 1006, "where": ""})

    assert shown_rows([suspect], 1)[0].place == "row 1,006"
