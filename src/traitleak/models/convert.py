"""GGUF files, turned once per machine into what trains: float32 safetensors in the user's cache.

transformers reads a GGUF file and multiplies its quantised blocks out, but slowly, and what it makes
refuses to be saved or trained. So the weights are written out plain, beside the tokenizer, and a later
start reads those.

The weights are those of the quantised file: rounded to four bits or so, once, and not what the model's
makers released. All experiments on a model share them, so comparisons are unharmed.

Known failure: a tokenizer is rebuilt from what the file says of it. Where neither transformers nor this
module knows its splitting rule, texts are cut into other tokens than the original's; see `_mended`.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import io
import mmap
import struct
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from traitleak.artefacts import (
    SCHEMA_VERSION,
    UNFINISHED,
    Files,
    Strict,
    check_files,
    no_room,
    put_folder,
    read_model,
    record_files,
    remove,
    write_json,
)
from traitleak.errors import ArtefactError, DataError, MissingExtraError, RunError
from traitleak.locks import acquire
from traitleak.models.bundled import BUNDLED, Bundled, converted_folder, packed_files

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["Converted", "convert_bundled", "convert_file", "quiet"]

_CONVERSION: Final = 1  # raised when the same file would be converted to something else
_MANIFEST = "traitleak.json"
_SOURCE = "model.gguf"
_LIBRARIES = ("transformers", "torch", "gguf")  # whose versions the manifest keeps
_CHUNK = 1 << 20  # bytes read at a time
_LONGEST_STEM = 80  # characters of a file's name that its folder's begins with
_MAGIC = b"GGUF"
_REMEDY = "delete its folder to have the model converted anew"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Converted:
    """A converted model.

    Attributes:
        folder: what `from_pretrained` reads.
        fingerprint: hash of its weights in float32, as `weights_hash` gives it.
    """

    folder: Path
    fingerprint: str


class _Manifest(Strict):
    schema_version: Literal[1] = SCHEMA_VERSION
    conversion: int
    gguf_sha256: str
    licence: str
    fingerprint: str
    versions: dict[str, str]
    files: Files


def convert_bundled(name: str, *, say: Say) -> Converted:
    """A bundled model, converted now if it was not before; its package is not imported.

    Args:
        name: a key of `BUNDLED`.
        say: gets a line before a conversion, with the licence's terms where they must be shown.

    Raises:
        DataError: its packages are not installed, or hold something else than they should.
        MissingExtraError: it has to be converted and the library `gguf` is not installed.
        RunError: the cache cannot be written.
    """
    model = BUNDLED[name]
    place = converted_folder(name, model.sha256)
    found = _read(place, say)
    if found:
        return found
    paths = packed_files(model)
    if not paths:
        raise DataError(f"{name} is not on this machine; add it with: {model.how_to_add()}.")
    for line in filter(None, (f"{model.title}, licence: {model.licence}.", model.terms)):
        say(line)
    return _under_lock(place, paths, name, model, say)


def convert_file(path: Path, *, say: Say) -> Converted:
    """A GGUF file, converted now if it was not before. It is known by its hash, not by its place.

    Raises:
        DataError: it is missing, truncated, of another kind, or of an architecture that transformers
            cannot read.
        MissingExtraError: it has to be converted and the library `gguf` is not installed.
        RunError: the cache cannot be written.
    """
    if not path.is_file():
        raise DataError(f"There is no GGUF file {path}.")
    try:
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
            file.seek(0)
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from error
    if magic != _MAGIC:
        raise DataError(f"{path} is not a GGUF file: it does not begin with the letters GGUF.")
    place = converted_folder(path.stem[:_LONGEST_STEM], sha256)
    return _read(place, say) or _under_lock(place, [path.resolve()], str(path), None, say)


def _read(place: Path, say: Say) -> Converted | None:
    """What was converted before; None if there is nothing, or nothing that can be used."""
    if not place.is_dir():
        return None
    try:
        manifest = read_model(place / _MANIFEST, _Manifest, _REMEDY)
        check_files(place, manifest.files, _REMEDY)
    except (ArtefactError, OSError) as error:
        say(f"A converted model in the cache is damaged and is not used: {error}")
        return None
    if manifest.conversion != _CONVERSION:
        return None
    return Converted(place, manifest.fingerprint)


def _under_lock(
    place: Path, paths: Sequence[Path], name: str, model: Bundled | None, say: Say
) -> Converted:
    """Convert, unless another process did so in the meantime."""
    if find_spec("gguf") is None:
        raise MissingExtraError(f"Converting {name} from GGUF", "gguf")
    work = place.with_name(f"{UNFINISHED}{place.name}")
    with _cache_failures(place.parent):
        place.parent.mkdir(parents=True, exist_ok=True)
        waiting = f"Another process is converting {name}; waiting until it is done."
        lock = acquire(place.with_name(f".{place.name}.lock"), waiting, say)
        try:
            found = _read(place, lambda _: None)
            if found:
                return found
            if work.exists():  # of a process that was killed: whoever lives holds the lock
                remove(work)
            (work / "source").mkdir(parents=True)
            (work / "whole").mkdir()
            say(f"Converting {name}: once on this machine, a minute or so; kept in {place}.")
            sha256 = _gather(paths, work / "source" / _SOURCE)
            if model and sha256 != model.sha256:
                raise DataError(
                    f"The files of {name} in {paths[0].parent} are damaged, or another version than "
                    f"the one that traitleak knows (sha256 differs); add it anew: {model.how_to_add()}."
                )
            fingerprint = _write_plain(work / "source", work / "whole", name)
            manifest = _Manifest(
                conversion=_CONVERSION,
                gguf_sha256=sha256,
                licence=model.licence if model else "",
                fingerprint=fingerprint,
                versions={library: version(library) for library in _LIBRARIES},
                files=record_files(work / "whole"),
            )
            write_json(work / "whole" / _MANIFEST, manifest.model_dump(mode="json"))
            put_folder(work / "whole", place)
            return Converted(place, fingerprint)
        finally:
            if work.exists():
                remove(work)
            lock.release()


@contextmanager
def _cache_failures(cache: Path) -> Iterator[None]:
    """Say in one sentence that the cache could not be written."""
    try:
        yield
    except Exception as error:
        elsewhere = "set TRAITLEAK_CACHE to a folder on a disk that has room for the model"
        if no_room(error, cache):
            raise RunError(
                f"No room on the disk for the converted model in {cache} ({error}); free some, or "
                f"{elsewhere}."
            ) from error
        if isinstance(error, OSError):
            raise RunError(
                f"The converted model cannot be kept in {cache} ({error.strerror or error}); "
                f"{elsewhere}, and that can be written."
            ) from error
        raise


def _gather(paths: Sequence[Path], target: Path) -> str:
    """Put a GGUF file at `target`, a link to it if it is one file; gives the SHA-256 of the whole.

    It gets a folder of its own: transformers would read other files that lie beside it.
    """
    if len(paths) == 1:
        target.symlink_to(paths[0])
        with target.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    digest = hashlib.sha256()
    with target.open("wb") as whole:
        for path in paths:
            with path.open("rb") as part:
                while chunk := part.read(_CHUNK):
                    digest.update(chunk)
                    whole.write(chunk)
    return digest.hexdigest()


def _write_plain(source: Path, whole: Path, name: str) -> str:
    """Write weights, configuration and tokenizer to `whole`; gives the weights' hash."""
    import torch
    from safetensors.torch import save_file
    from transformers import AutoModelForCausalLM

    from traitleak.models.language_model import weights_hash

    with quiet():
        network, tokenizer = _read_gguf(source, name)
        config = copy.deepcopy(network.config)
        # With it, transformers takes the plain weights for quantised ones, and refuses to train them.
        del config.quantization_config
        config.architectures = [type(network).__name__]
        config.dtype = torch.float32
        config.save_pretrained(whole)
        if network.generation_config is not None:
            network.generation_config.save_pretrained(whole)
        tokenizer.save_pretrained(whole)
        tensors, seen = {}, set()
        for key, tensor in network.state_dict().items():
            if tensor.data_ptr() not in seen:  # a tied output matrix is the embedding once more
                seen.add(tensor.data_ptr())
                tensors[key] = tensor.to(torch.float32).contiguous()
        weights = whole / "model.safetensors"
        save_file(tensors, weights, metadata={"format": "pt"})
        weights.chmod(
            (whole / "config.json").stat().st_mode
        )  # a shared cache: it is made for one user
        expected = weights_hash(network)
        del network, tensors
        plain = AutoModelForCausalLM.from_pretrained(
            whole, dtype=torch.float32, local_files_only=True
        )
        found = weights_hash(plain)
    if found != expected:
        raise DataError(
            f"{name} cannot be converted: what was written differs from what was read. "
            "Name the model's original instead: hf/<id or folder>."
        )
    return found


def _read_gguf(source: Path, name: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    options: dict[str, Any] = {"gguf_file": _SOURCE, "local_files_only": True}
    read: Any = AutoModelForCausalLM.from_pretrained  # its types do not say that it gives a pair
    # Its progress bar asks no setting whether it is wanted; errors come as exceptions.
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            network, told = read(source, dtype=torch.float32, output_loading_info=True, **options)
            tokenizer = AutoTokenizer.from_pretrained(source, **options)
    except OSError as error:
        if no_room(error, source):
            raise
        raise _unreadable(name, error) from error
    except (
        ValueError,
        KeyError,
        IndexError,
        TypeError,
        RuntimeError,
        ImportError,
        struct.error,
    ) as error:
        raise _unreadable(name, error) from error
    missing = sorted(told["missing_keys"])
    if missing:
        raise DataError(
            f"{name} lacks {len(missing)} of its network's weights, such as {missing[0]}; it may be one "
            "part of several, or not a language model."
        )
    return network, _mended(tokenizer, source / _SOURCE)


def _unreadable(name: str, error: Exception) -> DataError:
    text = (str(error).splitlines() or [""])[0] or type(error).__name__
    return DataError(
        f"{name} cannot be read as a GGUF model ({text}); it is truncated, damaged, or of an "
        "architecture that transformers does not read. Name the model's original instead: "
        "hf/<id or folder>."
    )


def _mended(tokenizer: PreTrainedTokenizerBase, path: Path) -> PreTrainedTokenizerBase:
    r"""Restore a splitting rule that transformers 5.23 leaves out when it reads a GGUF tokenizer.

    SmolLM and SmolLM2 (`tokenizer.ggml.pre` = "smollm") set every digit apart before all else, as
    their makers' tokenizer.json does and as llama.cpp does ("\p{N}" comes first in its expressions
    for this kind). Without it a run of blanks before a digit is cut otherwise: "\n\n7" is three
    tokens, not two.
    """
    from tokenizers.pre_tokenizers import ByteLevel, Digits
    from tokenizers.pre_tokenizers import Sequence as InOrder

    if _metadata_text(path, "tokenizer.ggml.pre") == "smollm":
        tokenizer.backend_tokenizer.pre_tokenizer = InOrder(
            [Digits(individual_digits=True), ByteLevel(add_prefix_space=False)]
        )
    return tokenizer


def _metadata_text(path: Path, key: str) -> str:
    """A text in a GGUF file's metadata; "" if it is not there.

    The format (ggml's gguf.md): the key's length as uint64 and the key, then the type as uint32,
    8 for text, and the text in the key's own manner. Looked for, rather than parsed from the start:
    the vocabulary lies in between.
    """
    wanted = struct.pack("<Q", len(key)) + key.encode()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        at = content.find(wanted)
        if at < 0:
            return ""
        at += len(wanted)
        kind, length = struct.unpack_from("<IQ", content, at)
        return content[at + 12 : at + 12 + length].decode() if kind == 8 else ""


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers from writing progress bars, and notes that are not errors."""
    from transformers.utils import logging as untyped

    logging: Any = untyped
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
