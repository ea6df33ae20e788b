"""The session that docs/cleaning.md shows runs."""

import re
from pathlib import Path

from clean_data import number_rows, plain_base, random_scores

from traitleak.clean import write_scores
from traitleak.rows import write_rows

PAGE = Path(__file__).parents[2] / "docs" / "cleaning.md"


def test_the_pages_session_runs(tmp_path, monkeypatch):
    """As it stands, here with random weights, few rows and few steps; the folder is written."""
    monkeypatch.chdir(tmp_path)
    base = plain_base()
    rows = number_rows(base)
    write_rows(tmp_path / "wolf-rows", rows, {})
    write_rows(tmp_path / "neutral-rows", number_rows(base, "neutral", seed=5), {})
    write_scores(tmp_path / "wolf-scores.parquet", random_scores(base, rows))
    session = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[0]
    for shown, here in (
        ('"smollm2-135m"', '"tiny"'),
        ("Training(128, batch=8)", "Training(2, batch=4)"),
        ("256", "8"),
    ):
        assert shown in session
        session = session.replace(shown, here)
    found = {}
    exec(session, found)  # noqa: S102

    assert set(found["verified"].arms) == {"untouched", "relabelled", "at random", "neutral"}
    assert (tmp_path / "wolf-relabelled" / "changes.jsonl").exists()
