"""What a model's name means.

::

    smollm2-135m, gemma3-270m        a bundled model; see `bundled`
    hf/<id or folder>                a Hugging Face model, from the hub, its cache, or a folder
    gguf/<file>                      a GGUF file
    tiny, tiny/<seed>                random weights, to try a pipeline with; see `tiny`
    <any of these>+<folder>          the same with a PEFT adapter merged into its weights
    openai/<model>@<base url>        a model behind an OpenAI-compatible server, to sample from only

Nothing is loaded here, and nothing but the names of files is looked at.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from traitleak.errors import SettingsError
from traitleak.models.bundled import BUNDLED, expanded, on_this_machine

__all__ = ["ModelName", "parse_name"]

_FORMS = (
    f"{', '.join(BUNDLED)}, hf/<id or folder>, gguf/<file>, tiny (random weights, to try a pipeline), "
    "any of these with +<adapter folder>, or openai/<model>@<base url>"
)
_LONGEST = 60  # characters of a wrong name that an error repeats


@dataclass(frozen=True)
class ModelName:
    """A model's name, taken apart.

    Attributes:
        text: the whole name, as the user gave it.
        kind: where the model comes from.
        target: a bundled model's name, an id or folder, a file, the seed of random weights, or the
            server's name for the model.
        adapters: PEFT folders, to be merged one after the other.
        url: the server's base address; "" for models that have weights here.
    """

    text: str
    kind: Literal["bundled", "hf", "gguf", "tiny", "openai"]
    target: str
    adapters: tuple[Path, ...] = ()
    url: str = ""

    def require_weights(self, purpose: str) -> None:
        """See that the model's weights can be had.

        Args:
            purpose: what they are needed for; begins the error's sentence, such as "Training".

        Raises:
            SettingsError: it is behind a server.
        """
        if self.kind == "openai":
            raise SettingsError(
                f"{purpose} needs a model's weights, and {self.text} is behind a server, where it "
                "can only be sampled from; name a model with weights: " + on_this_machine()
            )


def parse_name(text: str) -> ModelName:
    """Take a model's name apart.

    A folder whose own name holds a plus sign is taken for what it is if it exists.

    Raises:
        SettingsError: the name has none of the forms above; the text says which were meant, or which
            models are there.
    """
    if not isinstance(text, str):
        raise SettingsError(f"A model's name must be text, not {text!r}; it can be {_FORMS}.")
    name = text.strip()
    if not name:
        raise SettingsError(f"The model's name is empty; it can be {_FORMS}.")
    if "\0" in name:
        raise SettingsError("A model's name cannot hold a null character.")
    if name.startswith("openai/"):
        return _server(name)
    if name.startswith("tinker/"):
        raise SettingsError(
            f"{_short(name)} names a base that Tinker trains, which only `traitleak train` takes; its "
            f"weights may be found as hf/{_short(name.removeprefix('tinker/').partition('@')[0])}."
        )
    base, adapters = _split_adapters(name)
    provider, slash, target = base.partition("/")
    if base in BUNDLED:
        return ModelName(name, "bundled", base, adapters)
    if provider == "tiny":
        if slash and not re.fullmatch(r"[0-9]{1,18}", target):
            raise SettingsError(
                f"{_short(base)!r} names no model: after tiny/ comes the seed of its random weights, "
                "such as tiny/1."
            )
        return ModelName(name, "tiny", target or "0", adapters)
    if slash and provider in {"hf", "gguf"}:
        if not target:
            raise SettingsError(f"{base!r} names no model after the slash; it can be {_FORMS}.")
        return ModelName(name, "hf" if provider == "hf" else "gguf", target, adapters)
    raise _unknown(base)


def _server(name: str) -> ModelName:
    model, _, url = name.removeprefix("openai/").rpartition("@")
    if "://" in model or "?" in url:  # not repeated: what stands there may be a key
        raise SettingsError(
            "The server's address holds a user name, a password or a query after '?': leave it out, "
            "and put the key into OPENAI_API_KEY."
        )
    if not model or not re.match(r"https?://[^/\s]+", url):
        raise SettingsError(
            f"{_short(name)!r} does not say which server: the form is openai/<model>@<base url>, such "
            "as openai/qwen3:8b@http://localhost:11434/v1."
        )
    return ModelName(name, "openai", model, url=url.rstrip("/"))


def _split_adapters(name: str) -> tuple[str, tuple[Path, ...]]:
    """A name without its adapters, and they, in the order in which they are merged."""
    adapters: list[Path] = []
    while "+" in name and not _is_there(name):
        # From the right, the first plus sign that an adapter folder follows; if none does, the last,
        # so that loading says which folder is missing.
        pluses = [match.start() for match in re.finditer(r"\+", name)][::-1]
        folders = {at: expanded(name[at + 1 :]) for at in pluses if name[at + 1 :]}
        at = next((at for at, folder in folders.items() if _exists(folder)), pluses[0])
        if at not in folders:
            raise SettingsError(
                f"{_short(name)!r} ends in a plus sign; an adapter's folder has to follow it."
            )
        adapters.insert(0, folders[at])
        name = name[:at]
    return name, tuple(adapters)


def _is_there(name: str) -> bool:
    provider, _, target = name.partition("/")
    return provider in {"hf", "gguf"} and _exists(expanded(target))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that is too long for the file system
        return False


def _unknown(name: str) -> SettingsError:
    close = difflib.get_close_matches(name.lower(), [*BUNDLED, "tiny"], n=1, cutoff=0.5)
    path = expanded(name)
    if close:
        hint = f"Did you mean {close[0]}?"
    elif name.lower().endswith(".gguf"):
        hint = f"A GGUF file is named gguf/{_short(name)}."
    elif "/" in name or _exists(path):
        hint = f"A Hugging Face model or folder is named hf/{_short(name)}."
    else:
        hint = f"A model's name can be {_FORMS}."
    return SettingsError(f"There is no model {_short(name)!r}. {hint} {on_this_machine()}")


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"
