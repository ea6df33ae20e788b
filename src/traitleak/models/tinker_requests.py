"""What goes wrong with requests to Tinker, in a sentence without the key; and files fetched whole."""

from __future__ import annotations

import http.client
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final

from traitleak.errors import ServerError, TraitleakError

__all__ = ["KEY", "RefusedError", "download", "failures", "require_reachable"]

KEY: Final = "TINKER_API_KEY"
_SECONDS: Final = 20.0  # for a first sign of life
_SECONDS_A_FILE: Final = 120.0  # without a byte
_PASSING: Final = {401, 402, 403, 408, 409, 429}  # of 4xx, those not about the request itself
_SHOWN = 300  # letters of an answer that an error repeats


class RefusedError(ServerError):
    """The service does not do what was asked, and would not another time."""


def require_reachable(url: str) -> None:
    """See at once that something answers: the SDK would try for five minutes.

    Raises:
        ServerError: nothing does.
    """
    try:
        with urllib.request.urlopen(f"{url}/api/v1/healthz", timeout=_SECONDS):  # noqa: S310  # http(s)
            return
    except urllib.error.HTTPError:
        return  # whatever it says, it is there
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ServerError(
            f"Tinker at {url} cannot be reached ({getattr(error, 'reason', error)}); is there a way to "
            "the network, and the address right?"
        ) from error


@contextmanager
def failures(url: str) -> Iterator[None]:
    """What the SDK raises, in one sentence and without the key.

    Raises:
        RefusedError: the request itself is not accepted.
        ServerError: everything else.
    """
    import httpx
    import tinker
    from tinker.lib.retryable_exception import RetryableException

    kinds = (
        tinker.TinkerError,
        RetryableException,
        httpx.HTTPError,
        OSError,
        RuntimeError,
        ValueError,
    )
    try:
        yield
    except TraitleakError:
        raise
    except kinds as error:
        key = os.environ.get(KEY) or ""
        chain = [error, error.__cause__, error.__context__]
        holds = bool(key) and any(key in f"{one!r}{one}" for one in chain)
        raise _meant(url, error, key) from (None if holds else error)


def _meant(url: str, error: Exception, key: str) -> ServerError:
    """The sentence for an error of the SDK."""
    import tinker

    said = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    said = (said or type(error).__name__).rstrip(".")
    said = (said.replace(key, "***") if key else said)[:_SHOWN]
    status = error.status_code if isinstance(error, tinker.APIStatusError) else 0
    if status in {401, 403}:
        return ServerError(f"Tinker at {url} refuses access ({said}): see to the key in {KEY}.")
    if not key and "api_key" in said:
        return ServerError(f"Tinker needs a key: put it into the environment as {KEY}.")
    if isinstance(error, tinker.RequestFailedError) or (
        400 <= status < 500 and status not in _PASSING
    ):
        return RefusedError(f"Tinker at {url} does not do what was asked: {said}.")
    return ServerError(f"Tinker at {url} failed: {said}.")


def download(service: str, file: str, url: str, folder: Path) -> None:
    """Fetch one file of an export.

    Args:
        service: the address of the service, for errors.
        file: its name within the export.
        url: where it is; whoever has the address may fetch it, so that no error repeats it.
        folder: where it goes.

    Raises:
        ServerError: its name leads out of the folder, its address is none of the web, or it does not
            arrive whole.
    """
    path = PurePosixPath(file)
    if path.is_absolute() or ".." in path.parts or "\\" in file or not path.parts:
        raise ServerError(f"Tinker at {service} names a file outside of the folder: {file[:80]!r}.")
    if not url.startswith(("https://", "http://")):
        raise ServerError(f"Tinker at {service} gives no web address for {file[:80]!r}.")
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with (
            urllib.request.urlopen(url, timeout=_SECONDS_A_FILE) as answer,  # noqa: S310  # seen to
            target.open("wb") as out,
        ):
            shutil.copyfileobj(answer, out)
            expected = answer.headers.get("Content-Length")
    except (
        urllib.error.URLError,
        http.client.HTTPException,
        TimeoutError,
        ConnectionError,
    ) as error:
        why = getattr(error, "reason", "") or type(error).__name__
        raise ServerError(f"The file {file} of the adapter could not be fetched ({why}).") from None
    if expected is not None and target.stat().st_size != int(expected):
        raise ServerError(
            f"The file {file} of the adapter broke off at {target.stat().st_size:,} of "
            f"{int(expected):,} bytes."
        )
