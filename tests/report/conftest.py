"""What the report's tests share."""

from pathlib import Path

import pytest
from report_example import png


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run folder with the picture that the example's results name."""
    (tmp_path / "student").mkdir()
    (tmp_path / "student" / "inputs.png").write_bytes(png(280, 84))
    return tmp_path
