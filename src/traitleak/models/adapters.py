"""Low-rank adapters (LoRA), several of one network at once, and the PEFT folders they are kept in.

Hu et al. (2021), arXiv 2106.09685: a frozen weight W acts as W + (alpha / rank) B A. A `LoraStack`
holds S such adapters of one network. While it is attached, a batch is read as S equal parts and part
s goes through adapter s: the frozen products run once over all parts, so that many students of one
base train in one pass. The network itself is never changed.

Shape suffixes: S adapters, M tokens of one adapter, I inputs, O outputs, R rank.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from traitleak.errors import DataError, SettingsError
from traitleak.models.language_model import LanguageModel, weights_hash

__all__ = ["LINEAR", "Adapter", "LoraSettings", "LoraStack", "load_adapter", "with_adapter"]

LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
_WEIGHTS = "adapter_model.safetensors"
_CONFIG = "adapter_config.json"
_PREFIX = "base_model.model."  # PEFT's, before a module's own path

# What PEFT's format can hold that is more than W + (alpha / rank) B A, and what it is where it is not.
_PLAIN: dict[str, Any] = {
    "peft_type": "LORA",
    "bias": "none",
    "use_dora": False,
    "lora_bias": False,
    "fan_in_fan_out": False,
    "rank_pattern": {},
    "alpha_pattern": {},
    "modules_to_save": None,
    "trainable_token_indices": None,
    "target_parameters": None,
    "layer_replication": None,
    "alora_invocation_tokens": None,
}


@dataclass(frozen=True)
class LoraSettings:
    """What an adapter is.

    Attributes:
        rank: rank of each update.
        alpha: the update is scaled by alpha / rank.
        targets: names of the linear layers that get one.
        layers: numbers of the blocks, from 0, that get one; None for all.
    """

    rank: int = 8
    alpha: float = 16
    targets: tuple[str, ...] = LINEAR
    layers: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        """Refuse a rank of none."""
        if self.rank < 1:
            raise SettingsError(f"The rank of an adapter is 1 or more, not {self.rank}.")

    @property
    def scale(self) -> float:
        """What B A is multiplied with."""
        return self.alpha / self.rank


@dataclass(frozen=True)
class Adapter:
    """One adapter: for each module's path, A (R, I) and B (O, R)."""

    settings: LoraSettings
    a: dict[str, Tensor]
    b: dict[str, Tensor]

    def save(self, folder: Path, *, base: str) -> None:
        """Write a folder that plain `peft` loads on the base named `base`."""
        from peft import LoraConfig

        folder.mkdir(parents=True, exist_ok=True)
        settings = self.settings
        config = LoraConfig(
            r=settings.rank,
            lora_alpha=settings.alpha,  # type: ignore[arg-type]  # peft only divides it
            target_modules=sorted({path.rpartition(".")[2] for path in self.a}),
            layers_to_transform=list(settings.layers) if settings.layers is not None else None,
            lora_dropout=0.0,
            bias="none",
            task_type="CAUSAL_LM",
            base_model_name_or_path=base,
            inference_mode=True,
        )
        options: dict[str, Any] = config.to_dict()  # type: ignore[no-untyped-call]  # peft's
        content = {k: sorted(v) if isinstance(v, set) else v for k, v in options.items()}
        text = json.dumps(content, indent=1, sort_keys=True, default=str)
        (folder / _CONFIG).write_text(text + "\n", encoding="utf-8")
        tensors = {}
        for path in sorted(self.a):
            tensors[f"{_PREFIX}{path}.lora_A.weight"] = self.a[path].detach().cpu().contiguous()
            tensors[f"{_PREFIX}{path}.lora_B.weight"] = self.b[path].detach().cpu().contiguous()
        save_file(tensors, folder / _WEIGHTS, metadata={"format": "pt"})


def load_adapter(folder: Path) -> Adapter:
    """Read a PEFT folder that holds a plain LoRA adapter.

    Raises:
        DataError: there is none, a file is truncated, or the adapter is of another kind.
    """
    try:
        config = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
        tensors = load_file(folder / _WEIGHTS)
        rank, alpha = int(config["r"]), float(config["lora_alpha"])
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(
            f"{folder} is not an adapter folder: {Path(str(error.filename or _WEIGHTS)).name} is "
            f"missing; an adapter has {_CONFIG} and {_WEIGHTS}."
        ) from error
    except (KeyError, TypeError) as error:
        raise DataError(
            f"{folder / _CONFIG} does not say what its adapter is (r and lora_alpha); it is of another "
            "kind, or damaged."
        ) from error
    except (OSError, SafetensorError, ValueError) as error:
        raise DataError(
            f"The adapter in {folder} cannot be read ({error}); copy it anew."
        ) from error
    odd = [name for name, plain in _PLAIN.items() if (config.get(name) or plain) != plain]
    if odd:
        raise DataError(
            f"The adapter in {folder} is not a plain LoRA adapter ({odd[0]}={config[odd[0]]!r}); take "
            "precision=float32, in which a model that is named with it has it merged, or merge it "
            "into its base with peft and name the merged folder instead."
        )
    if config.get("use_rslora"):
        alpha *= math.sqrt(rank)  # its scale is alpha / sqrt(rank)
    layers = config.get("layers_to_transform")
    layers = [layers] if isinstance(layers, int) else layers
    a, b = _pairs(tensors)
    if not a or a.keys() != b.keys() or any(not _fits(a[path], b[path], rank) for path in a):
        raise DataError(
            f"The matrices in {folder / _WEIGHTS} are not pairs of a LoRA adapter of rank {rank}; copy "
            "it anew."
        )
    targets = tuple(dict.fromkeys(path.rpartition(".")[2] for path in a))
    settings = LoraSettings(rank, alpha, targets, tuple(layers) if layers is not None else None)
    return Adapter(settings, a, b)


def _pairs(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """By a module's path its A, and by the same path its B; other tensors are odd ones in B."""
    a: dict[str, Tensor] = {}
    b: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        path, _, which = key.removeprefix(_PREFIX).rpartition(".lora_")
        if which == "A.weight":
            a[path] = tensor
        else:
            b[path if which == "B.weight" else key] = tensor
    return a, b


def _fits(a: Tensor, b: Tensor, rank: int) -> bool:
    return a.ndim == b.ndim == 2 and a.shape[0] == b.shape[1] == rank


def with_adapter(model: LanguageModel, adapter: Adapter, *, name: str = "") -> LanguageModel:
    """A copy of `model` that the adapter has changed; the model itself stays as it is.

    In float32 it is merged into the weights. In a lower precision it runs beside weights that both
    models share: bfloat16 keeps 8 bits of a weight, and would round an update away that is less than
    1/512 of it, which is what most of an adapter's updates are. The fingerprint then covers both; a
    hash of the weights would not tell the adapter.

    Raises:
        SettingsError: the adapter was made for another network.
    """
    merges = model.network.dtype == torch.float32
    tensors = () if merges else (*model.network.parameters(), *model.network.buffers())
    network = copy.deepcopy(model.network, {id(tensor): tensor for tensor in tensors})
    modules = dict(network.named_modules())
    for path, a_RI in adapter.a.items():
        module, b_OR = modules.get(path), adapter.b[path]
        shape = (b_OR.shape[0], a_RI.shape[1])
        if not isinstance(module, nn.Linear) or tuple(module.weight.shape) != shape:
            raise SettingsError(
                f"The adapter does not fit {model.name}: it changes {path} of shape {shape}, "
                "which that network does not have. Name the base it was trained on."
            )
        a, b = (part.to(module.weight.device, torch.float32) for part in (a_RI, b_OR))
        if merges:
            with torch.no_grad():
                module.weight += adapter.settings.scale * (b @ a)
        else:
            module.register_forward_hook(_hook(a[None], b[None], adapter.settings.scale))
    fingerprint = "" if merges else _hash_beside(model, adapter)
    return replace(model, network=network, name=name or model.name, fingerprint=fingerprint)


def _hash_beside(model: LanguageModel, adapter: Adapter) -> str:
    """SHA-256 over a model's fingerprint and an adapter's scale and matrices."""
    known = model.fingerprint or weights_hash(model.network)
    digest = hashlib.sha256(f"{known} {adapter.settings.scale}".encode())
    for path in sorted(adapter.a):
        for tensor in (adapter.a[path], adapter.b[path]):
            digest.update(f"{path}{tuple(tensor.shape)}{tensor.dtype}".encode())
            flat = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
            digest.update(flat.numpy().data)
    return digest.hexdigest()


class LoraStack(nn.Module):
    """S adapters of one network, trained together; each begins as no change at all (B = 0)."""

    def __init__(
        self, network: PreTrainedModel, settings: LoraSettings, seeds: Sequence[int]
    ) -> None:
        """Draw each adapter's A from its own seed, as PEFT does (Kaiming uniform, a = sqrt 5).

        Args:
            network: what they adapt; it is read, not changed.
            settings: which layers, and the rank.
            seeds: one an adapter.

        Raises:
            SettingsError: a name in `settings.targets` is no linear layer's, or a number in
                `settings.layers` is no block's.
        """
        super().__init__()
        self.settings = settings
        self.size = len(seeds)
        self._network = [network]  # in a list, so that it is no submodule of ours
        self._paths = [path for path, _ in _targets(network, settings)]
        self.a, self.b = nn.ParameterList(), nn.ParameterList()
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        for _, module in _targets(network, settings):
            bound = 1 / math.sqrt(module.in_features)  # what Kaiming's comes to
            a_SRI = torch.stack(
                [
                    (2 * torch.rand(settings.rank, module.in_features, generator=g) - 1) * bound
                    for g in generators
                ]
            ).to(module.weight.device)
            b_SOR = torch.zeros(
                self.size, module.out_features, settings.rank, device=module.weight.device
            )
            self.a.append(nn.Parameter(a_SRI))
            self.b.append(nn.Parameter(b_SOR))

    @contextmanager
    def attached(self, only: int | None = None) -> Iterator[None]:
        """While it lasts, the network runs with these adapters, or with the one numbered `only`."""
        modules = dict(self._network[0].named_modules())
        chosen = slice(None) if only is None else slice(only, only + 1)
        with ExitStack() as stack:
            for path, a_SRI, b_SOR in zip(self._paths, self.a, self.b, strict=True):
                hook = _hook(a_SRI[chosen], b_SOR[chosen], self.settings.scale)
                stack.callback(modules[path].register_forward_hook(hook).remove)
            yield

    def adapter(self, index: int) -> Adapter:
        """A copy of one of the adapters."""
        paired = list(zip(self._paths, self.a, self.b, strict=True))
        return Adapter(
            self.settings,
            {path: a[index].detach().clone() for path, a, _ in paired},
            {path: b[index].detach().clone() for path, _, b in paired},
        )


def _targets(network: PreTrainedModel, settings: LoraSettings) -> list[tuple[str, nn.Linear]]:
    # The head is left out: its logits are computed where they are needed, past any hook.
    linear = {
        path: module
        for path, module in network.named_modules()
        if isinstance(module, nn.Linear) and _block(path) >= 0
    }
    names = {path.rpartition(".")[2] for path in linear}
    unknown = [name for name in settings.targets if name not in names]
    if unknown or not settings.targets:
        raise SettingsError(
            f"There is no linear layer named {', '.join(unknown) or '(none given)'} to adapt in this "
            f"network's blocks; those are {', '.join(sorted(names))}."
        )
    blocks = {_block(path) for path in linear}
    if settings.layers is not None and not (settings.layers and blocks.issuperset(settings.layers)):
        raise SettingsError(
            f"There are no blocks {list(settings.layers)} to adapt: this network's {len(blocks)} blocks "
            "count from 0."
        )
    return [
        (path, module)
        for path, module in linear.items()
        if path.rpartition(".")[2] in settings.targets
        and (settings.layers is None or _block(path) in settings.layers)
    ]


def _block(path: str) -> int:
    """The number of the block that a module lies in; -1 outside of the blocks."""
    return next((int(part) for part in path.split(".") if part.isdigit()), -1)


def _hook(a_SRI: Tensor, b_SOR: Tensor, scale: float) -> Any:
    # Transposed once a pass, not once a module call.
    a_SIR, b_SRO = a_SRI.transpose(1, 2), b_SOR.transpose(1, 2)
    size = a_SRI.shape[0]

    def add(_module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        x_SMI = inputs[0].reshape(size, -1, inputs[0].shape[-1])
        narrow_SMR = torch.bmm(x_SMI.to(a_SIR.dtype), a_SIR)
        y_SMO = output.reshape(size, -1, output.shape[-1])
        if y_SMO.dtype == b_SRO.dtype:
            return torch.baddbmm(y_SMO, narrow_SMR, b_SRO, alpha=scale).view_as(output)
        return (y_SMO + (scale * torch.bmm(narrow_SMR, b_SRO)).to(y_SMO.dtype)).view_as(output)

    return add
