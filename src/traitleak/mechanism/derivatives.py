"""What the theorem's check differentiates: outputs by a network's parameters, a loss by outputs.

Nothing here knows of teachers' traits or of the theorem.

Shape suffixes: B rows, K outputs that the loss sees.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, jvp
from torch.nn.attention import SDPBackend, sdpa_kernel

from traitleak.errors import SettingsError

__all__ = ["LOSSES", "Loss", "NetworkFunction", "RowLoss", "differentiated", "gradients"]

RowLoss = Callable[[Tensor, Tensor], Tensor]  # student's z and teacher's y, both (B, K), to (B,)


class Loss(NamedTuple):
    """A student's loss L(z, y) against the teacher's outputs y, and two of its derivatives."""

    value: RowLoss
    by_logits: Callable[[Tensor, Tensor], Tensor]  # dL/dz at (z, y), (B, K)
    mixed: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]  # u^T M v, M = -d2L/dz dy, (B,)


def _covariance(_z_BK: Tensor, y_BK: Tensor, u_BK: Tensor, v_BK: Tensor) -> Tensor:
    """u^T (diag(p) - p p^T) v with p = softmax(y)."""
    p_BK = y_BK.softmax(-1)
    return (p_BK * u_BK * v_BK).sum(-1) - (p_BK * u_BK).sum(-1) * (p_BK * v_BK).sum(-1)


LOSSES = {
    "squared": Loss(
        value=lambda z_BK, y_BK: (z_BK - y_BK).square().sum(-1),
        by_logits=lambda z_BK, y_BK: 2 * (z_BK - y_BK),
        mixed=lambda _z, _y, u_BK, v_BK: 2 * (u_BK * v_BK).sum(-1),
    ),
    "cross_entropy": Loss(
        value=lambda z_BK, y_BK: -(y_BK.softmax(-1) * z_BK.log_softmax(-1)).sum(-1),
        by_logits=lambda z_BK, y_BK: z_BK.softmax(-1) - y_BK.softmax(-1),
        mixed=_covariance,
    ),
}


def differentiated(value: RowLoss) -> Loss:
    """A loss of the caller's own, with its derivatives by automatic differentiation."""

    def by_logits(z_BK: Tensor, y_BK: Tensor) -> Tensor:
        slope_BK: Tensor = grad(lambda z: value(z, y_BK).sum())(z_BK)
        return slope_BK

    def mixed(z_BK: Tensor, y_BK: Tensor, u_BK: Tensor, v_BK: Tensor) -> Tensor:
        with _forward_mode():
            bend_BK: Tensor = jvp(lambda y: by_logits(z_BK, y), (y_BK,), (v_BK,))[1]
        return -(bend_BK * u_BK).sum(-1)

    return Loss(value, by_logits, mixed)


@dataclass(frozen=True)
class NetworkFunction:
    """A network's outputs on fixed rows as a function of its trainable parameters."""

    module: nn.Module  # our own copy, in evaluation mode
    start: dict[str, Tensor]  # the trainable parameters that it came with
    inputs: Tensor
    outputs: list[int] | None  # which outputs the loss sees; all if None

    @classmethod
    def of(
        cls,
        module: nn.Module,
        inputs: Tensor,
        outputs: Sequence[int] | None,
        dtype: torch.dtype,
    ) -> NetworkFunction:
        """Copy `module` in the given precision and see that it can be run on `inputs`.

        Raises:
            SettingsError: no rows, no trainable parameter, complex parameters, outputs that are not
                (rows, ..., outputs) or not finite, or a choice of outputs that does not exist.
        """
        if inputs.ndim == 0 or inputs.numel() == 0:
            raise SettingsError(
                f"inputs must hold at least one row; got shape {tuple(inputs.shape)}."
            )
        named = dict(module.named_parameters())
        trained = [name for name, parameter in named.items() if parameter.requires_grad]
        if not trained:
            raise SettingsError("module has no trainable parameter, so it cannot take a step.")
        if any(parameter.is_complex() for parameter in named.values()):
            raise SettingsError("module has complex parameters; the theorem is about real ones.")
        own = copy.deepcopy(module).to(dtype).eval()
        start = {n: p.detach().clone() for n, p in own.named_parameters() if n in trained}
        rows = inputs.to(dtype) if inputs.is_floating_point() else inputs
        with torch.no_grad():
            _check_outputs(own(rows), outputs)
        return cls(own, start, rows, None if outputs is None else list(outputs))

    def logits(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """(B, K) at `parameters`, every leading dimension counted as rows."""
        logits: Tensor = functional_call(self.module, dict(parameters), (self.inputs,))
        flat = logits.reshape(-1, logits.shape[-1])
        return flat if self.outputs is None else flat[:, self.outputs]

    def along(self, direction: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The outputs at the start, and the Jacobian there times `direction`: both (B, K)."""
        with _forward_mode():
            pair = jvp(self.logits, (self.start,), (direction,))
        return pair[0], pair[1]

    def moved(self, direction: Mapping[str, Tensor], factor: float) -> dict[str, Tensor]:
        """The parameters at start + factor * direction."""
        return {name: p + factor * direction[name] for name, p in self.start.items()}

    def at(self, parameters: Mapping[str, Tensor]) -> nn.Module:
        """The network itself with `parameters` put in; the next call moves it again."""
        own = dict(self.module.named_parameters())
        with torch.no_grad():
            for name, value in parameters.items():
                own[name].copy_(value)
        return self.module


def gradients(value: Tensor, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Gradients of a scalar by name; zero where a parameter does not matter."""
    found = torch.autograd.grad(
        value.reshape(()), list(parameters.values()), allow_unused=True, materialize_grads=True
    )
    return {name: g.detach() for name, g in zip(parameters, found, strict=True)}


def _check_outputs(logits: object, chosen: Sequence[int] | None) -> None:
    if not isinstance(logits, Tensor) or logits.ndim < 2:
        got = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise SettingsError(f"module(inputs) must be a tensor (rows, ..., outputs); got {got}.")
    if not logits.isfinite().all():
        raise SettingsError("module(inputs) holds values that are not finite.")
    if chosen is None:
        return
    if not chosen or len(set(chosen)) < len(chosen):
        raise SettingsError(f"outputs must name at least one output, each once; got {chosen}.")
    last = logits.shape[-1] - 1
    if min(chosen) < 0 or max(chosen) > last:
        raise SettingsError(f"module's outputs are 0 to {last}; outputs asks for {chosen}.")


@contextmanager
def _forward_mode() -> Iterator[None]:
    """Where PyTorch's forward-mode differentiation works and keeps quiet.

    Its fused attention kernels have no forward-mode derivative, so the plain ones are taken; and its
    first use imports a module of PyTorch that warns of PyTorch's own deprecations.
    """
    was_fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(was_fused)
