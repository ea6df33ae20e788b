"""What several tests of recipes need."""

import pytest


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write `mine.yaml` in the working directory, so that errors name it so."""
    monkeypatch.chdir(tmp_path)

    def written(content: str | bytes) -> str:
        content = content.encode() if isinstance(content, str) else content
        (tmp_path / "mine.yaml").write_bytes(content)
        return "mine.yaml"

    return written
