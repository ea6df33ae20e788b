"""A language model by its name: found, read, checked, and given its renderer.

The bundled models and `tiny` never touch the network. `hf/<id>` looks into the Hugging Face cache
first, and goes to the hub only if the model is not there and the environment allows it
(HF_HUB_OFFLINE=1 forbids it).
Code that comes with a model is never run.
"""

from __future__ import annotations

import os
import pickle
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from traitleak.errors import DataError, SettingsError
from traitleak.models.bundled import describe_models, expanded, on_this_machine
from traitleak.models.convert import convert_bundled, convert_file, quiet
from traitleak.models.names import ModelName, parse_name

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from traitleak.models.language_model import LanguageModel

__all__ = ["describe_models", "load", "load_unweighted"]

_T = TypeVar("_T")

_ADAPTER_CONFIG = "adapter_config.json"
_HUB_SECONDS = 10  # how long the hub may take to answer at all; the libraries retry for a minute
_TINY_CONTEXT = 4096  # its tokens are hardly longer than letters
# Of a model on the hub: what is fetched beside its weights, and what never is.
_BESIDE_WEIGHTS = ("*.json", "*.jinja", "*.txt", "*.model", "*.tiktoken")
_NOT_FETCHED = ["*/*", "consolidated*"]  # other formats, in folders of their own or beside
_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
_TRUE = {"1", "ON", "YES", "TRUE"}  # as huggingface_hub reads them

# What transformers and pickle raise on files that are missing, damaged or of another kind.
_UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    RuntimeError,
    ImportError,
    EOFError,
    pickle.UnpicklingError,
)


def load(
    name: str,
    *,
    device: str = "auto",
    precision: str = "float32",
    style: Literal["auto", "chat", "plain"] = "auto",
    say: Callable[[str], None] | None = None,
) -> LanguageModel:
    """Load a model, with the adapters that its name has merged into its weights.

    In a lower precision than float32 an adapter is not merged, which would round most of it away: it
    runs beside the weights, as it did while it was trained; see `with_adapter`.

    Args:
        name: see `names`.
        device: `auto`, `cpu` or `cuda`.
        precision: of the weights: `float32`, `bfloat16`, or `auto`; see `pick_precision`.
        style: how prompts are rendered; see `make_renderer`.
        say: gets a line where something takes long or must be known; by default it goes to stderr.

    Raises:
        SettingsError: the name means no model, or one without weights; the adapter does not fit; or
            device, precision or style cannot be had.
        DataError: the model or adapter is not there, damaged, or of another kind, which outside of
            float32 an adapter is that is not plain LoRA.
        MissingExtraError: a GGUF file has to be converted and the library `gguf` is not installed.
        RunError: the cache of converted models cannot be written.
    """
    import torch

    from traitleak.environment import pick_device, pick_precision
    from traitleak.models.adapters import load_adapter, with_adapter
    from traitleak.models.chat import make_renderer
    from traitleak.models.language_model import LanguageModel, check_head, weights_hash

    say = say or _to_stderr
    parsed = parse_name(name)
    parsed.require_weights("Loading")
    picked = pick_device(device).value
    kind = pick_precision(precision, picked).value
    for folder in parsed.adapters:  # before the minutes that the rest may take
        _require_adapter(folder)
    network, tokenizer, fingerprint = _weights(parsed, kind, say)
    merges = network.dtype == torch.float32
    for folder in parsed.adapters:
        network = _fitted(network, folder, parsed, merge=merges)
    network = network.to(torch.device(picked)).eval()  # type: ignore[arg-type]  # a decorator hides its type
    check_head(network, parsed.text)
    renderer = make_renderer(tokenizer, style)
    if parsed.kind == "tiny":
        from traitleak.models.tiny import NOTE

        renderer = replace(renderer, notes=(NOTE, *renderer.notes))
    model = LanguageModel(
        parsed.text,
        network,
        tokenizer,
        renderer,
        fingerprint=fingerprint or weights_hash(network),
    )
    for folder in () if merges else parsed.adapters:
        model = with_adapter(model, load_adapter(folder))
    return model


def load_unweighted(
    name: str,
    *,
    style: Literal["auto", "chat", "plain"] = "auto",
    say: Callable[[str], None] | None = None,
) -> LanguageModel:
    """A model to encode rows with: of one named `hf/...` only configuration and tokenizer are read.

    Args:
        name: as in `load`. Models that are not named `hf/...` are small, and are loaded whole.
        style: the same.
        say: the same.

    Returns:
        A model whose weights are not there (on PyTorch's device `meta`): whatever runs it fails.

    Raises:
        SettingsError: as in `load`.
        DataError: as in `load`; or its architecture is none that transformers knows.
    """
    from traitleak.models.chat import make_renderer
    from traitleak.models.language_model import LanguageModel

    say = say or _to_stderr
    parsed = parse_name(name)
    if parsed.kind != "hf" or parsed.adapters:
        return load(name, device="cpu", style=style, say=say)
    network, tokenizer = _hugging_face(parsed.target, _read_unweighted, say, weights=False)
    return LanguageModel(parsed.text, network, tokenizer, make_renderer(tokenizer, style))


def _read_unweighted(source: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    with quiet():
        tokenizer = AutoTokenizer.from_pretrained(source, **options)
        config = AutoConfig.from_pretrained(source, **options)
        with torch.device("meta"):
            make: Any = AutoModelForCausalLM.from_config  # untyped there
            network = make(config, trust_remote_code=False)
    return network, tokenizer


def _to_stderr(line: str) -> None:
    sys.stderr.write(line + "\n")


def _weights(
    parsed: ModelName, precision: str, say: Callable[[str], None]
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, str]:
    """Network, tokenizer, and the weights' hash where it is known already ("" where not)."""
    if parsed.kind == "hf":
        return *_hugging_face(parsed.target, lambda source: _read(source, precision), say), ""
    if parsed.kind == "tiny":
        return *_tiny(int(parsed.target), precision), ""
    if parsed.kind == "bundled":
        converted = convert_bundled(parsed.target, say=say)
    else:
        converted = convert_file(expanded(parsed.target), say=say)
    known = precision == "float32" and not parsed.adapters
    network, tokenizer = _read(str(converted.folder), precision)
    return network, tokenizer, converted.fingerprint if known else ""


def _tiny(seed: int, precision: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    import torch

    from traitleak.models.tiny import tiny_network, tiny_tokenizer

    tokenizer = tiny_tokenizer()
    network = tiny_network(len(tokenizer), seed=seed, context=_TINY_CONTEXT)
    return network.to(getattr(torch, precision)), tokenizer


def _hugging_face(
    target: str, read: Callable[[str], _T], say: Callable[[str], None], *, weights: bool = True
) -> _T:
    """What `read` makes of a model's folder, which is fetched first if it has to be."""
    folder = expanded(target)
    if folder.exists():
        return _from_folder(folder, read)
    if not re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)?", target):
        raise SettingsError(
            f"hf/{target}: there is no such folder, and it cannot be a model's id on the hub, which is "
            "<owner>/<model>."
        )
    try:
        return read(_snapshot(target, local_files_only=True))
    except _unreadable() as in_cache:
        if any(os.environ.get(name, "").upper() in _TRUE for name in _OFFLINE):
            raise DataError(
                f"hf/{target} is not whole in the Hugging Face cache, and the hub may not be asked "
                f"({' or '.join(_OFFLINE)} is set). {on_this_machine()}"
            ) from in_cache
    files = _ask_hub(target)
    say(f"Fetching {target} from the Hugging Face hub.")
    try:
        patterns = [*_BESIDE_WEIGHTS, *([files] if weights else [])]
        return read(_snapshot(target, allow_patterns=patterns))
    except _unreadable() as error:
        raise DataError(f"hf/{target} cannot be used: {_first_line(error)}.") from error


def _snapshot(target: str, **options: Any) -> str:
    """The folder of a model of the hub, fetched unless it must be in the cache.

    A folder, because transformers asks the hub for adapters even where it is told to use local files
    only, if it is given an id.
    """
    from huggingface_hub import snapshot_download

    return str(snapshot_download(target, ignore_patterns=_NOT_FETCHED, **options))


def _from_folder(folder: Path, read: Callable[[str], _T]) -> _T:
    if (folder / _ADAPTER_CONFIG).is_file() and not (folder / "config.json").is_file():
        raise SettingsError(
            f"{folder} holds an adapter, not a model; name it on top of its base: <base>+{folder}."
        )
    if not (folder / "config.json").is_file():
        raise DataError(
            f"{folder} is not a model's folder: there is no config.json in it. "
            "A GGUF file is named gguf/<file>."
        )
    try:
        return read(str(folder))
    except _unreadable() as error:
        raise DataError(
            f"The model in {folder} cannot be read ({_first_line(error)}); get it anew, or name another."
        ) from error


def _ask_hub(target: str) -> str:
    """See that the hub is there and has the model, without the minute of retries that a read makes.

    Returns:
        What the names of its files with weights end in: safetensors, or pickles where it has none.

    Raises:
        DataError: it is not to be had; the text says why, and what is here instead.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

    try:
        info = HfApi().model_info(target, timeout=_HUB_SECONDS)
    except GatedRepoError as error:
        raise DataError(
            f"hf/{target} is gated: accept its terms on its page at the hub, and log in with "
            f"`hf auth login` or HF_TOKEN. {on_this_machine()}"
        ) from error
    except RepositoryNotFoundError as error:
        raise DataError(
            f"There is no model {target} on the hub that you may read. {on_this_machine()}"
        ) from error
    except (HfHubHTTPError, OSError, RuntimeError, ValueError) as error:
        raise _no_hub(target, error) from error
    except Exception as error:
        # The hub's client raises errors of whichever HTTP library its version is built on.
        if type(error).__module__.partition(".")[0] in {"httpx", "httpx2", "httpcore2", "requests"}:
            raise _no_hub(target, error) from error
        raise
    names = [file.rfilename for file in info.siblings or []]
    plain = any(name.endswith(".safetensors") and "/" not in name for name in names)
    return "*.safetensors" if plain else "*.bin"


def _no_hub(target: str, error: Exception) -> DataError:
    return DataError(
        f"hf/{target} is not in the Hugging Face cache, and the hub cannot be reached "
        f"({_first_line(error)}). {on_this_machine()}"
    )


def _read(source: str, precision: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Network and tokenizer from a folder, with every weight from the files."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    read: Any = AutoModelForCausalLM.from_pretrained  # its types do not say that it gives a pair
    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    with quiet():
        tokenizer = AutoTokenizer.from_pretrained(source, **options)
        network, told = read(
            source, dtype=getattr(torch, precision), output_loading_info=True, **options
        )
    missing = sorted(told["missing_keys"])
    if missing:  # transformers would fill them with random numbers
        raise DataError(
            f"{source} lacks {len(missing)} weights of its network ({type(network).__name__}), such as "
            f"{missing[0]}; it is damaged, or not a causal language model."
        )
    return network, tokenizer


def _unreadable() -> tuple[type[Exception], ...]:
    from safetensors import SafetensorError

    return (*_UNREADABLE, SafetensorError)


def _first_line(error: BaseException) -> str:
    line = next((line for line in str(error).splitlines() if line.strip()), "").strip().rstrip(".")
    return line or type(error).__name__


def _require_adapter(folder: Path) -> None:
    if not (folder / _ADAPTER_CONFIG).is_file():
        why = (
            f"there is no {_ADAPTER_CONFIG} in it" if folder.is_dir() else "there is no such folder"
        )
        raise DataError(f"{folder} is not an adapter's folder: {why}.")


def _fitted(
    network: PreTrainedModel, folder: Path, parsed: ModelName, *, merge: bool
) -> PreTrainedModel:
    """The network with a PEFT adapter merged into its weights, in place; or only seen to fit it.

    Raises:
        SettingsError: the adapter was made for another network.
        DataError: its files are damaged.
    """
    from peft import PeftModel, get_peft_model_state_dict, load_peft_weights

    base = parsed.text.partition("+")[0]
    try:
        with quiet():
            adapted = PeftModel.from_pretrained(network, str(folder), local_files_only=True)
            expected = set(get_peft_model_state_dict(adapted))
            found = set(load_peft_weights(str(folder), device="cpu"))
            wrong = sorted(expected ^ found)
            if not wrong:
                fitted: PreTrainedModel = (
                    adapted.merge_and_unload(safe_merge=True) if merge else adapted.unload()
                )
    except _unreadable() as error:
        raise SettingsError(
            f"The adapter in {folder} cannot be put on {base} ({_first_line(error)}); it is damaged, or "
            "was trained on another base."
        ) from error
    if wrong:
        raise SettingsError(
            f"The adapter in {folder} does not fit {base}: {len(wrong)} of its matrices have no "
            f"counterpart, such as {wrong[0]}; name the base that it was trained on."
        )
    return fitted
