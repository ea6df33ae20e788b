"""Tiny networks: one thread is quickest, above all on a busy machine."""

from collections.abc import Iterator

import pytest

from traitleak.mechanism.threads import one_thread


@pytest.fixture(autouse=True, scope="package")
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield
