"""Tinker, a service that trains LoRA adapters by calls: a connection, and an adapter in training.

What is called, and what a call means, follows the SDK `tinker` 0.38. Its cross-entropy is a sum,
L = sum(weight x -log p(target)), so that weights which sum to 1 make it a mean; its optimizer is AdamW.
The SDK tries again by itself: a lost connection for five minutes, an account without credit for an hour.

The key goes from TINKER_API_KEY into the header of requests and nowhere else; where an answer repeats
it, the answer is passed on without it. The SDK's own telemetry stays off unless the environment says
TINKER_TELEMETRY=1.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from traitleak.errors import MissingExtraError, ServerError, SettingsError
from traitleak.models.tinker_requests import (
    KEY,
    RefusedError,
    download,
    failures,
    require_reachable,
)

__all__ = [
    "Datum",
    "Rates",
    "TinkerBase",
    "Trainer",
    "connected",
    "parse_tinker",
]

_GOODBYE: Final = 20.0  # seconds
_STATE_SECONDS: Final = 7 * 24 * 3600  # how long the service keeps what a training goes on from
_EXPORT_SECONDS: Final = 24 * 3600  # and files that are fetched at once


@dataclass(frozen=True)
class TinkerBase:
    """A base that Tinker has.

    Attributes:
        text: the whole name, `tinker/<model>` or `tinker/<model>@<url>`.
        model: the service's name for it, such as Qwen/Qwen3-8B.
        url: the service's address; "" for the one that the SDK knows, or TINKER_BASE_URL.
    """

    text: str
    model: str
    url: str = ""

    @property
    def tokenizer(self) -> str:
        """The name of the model whose tokenizer it most likely has: its own on the hub."""
        return f"hf/{self.model.partition(':')[0]}"


def parse_tinker(text: str) -> TinkerBase:
    """Take the name of a base at Tinker apart.

    Raises:
        SettingsError: it has another form, or its address holds what may be a secret.
    """
    name = text.strip().removeprefix("tinker/")
    model, at, url = name.partition("@")
    if at:
        parts = urlsplit(url)
        if parts.username is not None or parts.password is not None or "?" in url:
            raise SettingsError(
                "The address of Tinker holds a user name, a password or a query after '?'. It would be "
                f"written into files: leave it out, and put the key into {KEY}."
            )
    if not text.strip().startswith("tinker/") or not re.fullmatch(r"[\w./:-]+", model):
        raise SettingsError(
            f"{text.strip()[:60]!r} names no base at Tinker; such a name is tinker/<model>, for example "
            "tinker/Qwen/Qwen3-8B."
        )
    if at and not re.match(r"https?://[^/\s]+", url):
        raise SettingsError(f"After the @ of {text.strip()[:60]!r} comes an address, https://...")
    return TinkerBase(text.strip(), model, url.rstrip("/"))


class Datum(NamedTuple):
    """A row as Tinker takes it: what is read at each position, and what is predicted there."""

    inputs: list[int]
    targets: list[int]
    weights: NDArray[np.float32]


@dataclass(frozen=True)
class Rates:
    """What one step of AdamW takes.

    Attributes:
        learning_rate: of this step.
        weight_decay: decoupled.
        clip: norm to which the gradient is clipped; None for not at all.
    """

    learning_rate: float
    weight_decay: float
    clip: float | None


class Trainer:
    """One adapter in training at the service; see `connected`."""

    def __init__(self, url: str, service: Any) -> None:
        """Train at `service`, which has the address `url`; `begin` or `resume` comes first."""
        self._url, self._service = url, service
        self._client: Any = None

    def begin(self, model: str, *, rank: int, seed: int, attention: bool, mlp: bool) -> None:
        """Have a new adapter made.

        Args:
            model: the service's name for the base.
            rank: of the adapter.
            seed: of its first weights, 31 bits.
            attention: whether it changes the attention's linear layers.
            mlp: whether it changes those of the MLPs.

        Raises:
            ServerError: the service does not have that base, or fails.
        """
        with failures(self._url):
            self._client = self._service.create_lora_training_client(
                base_model=model,
                rank=rank,
                seed=seed,
                train_attn=attention,
                train_mlp=mlp,
                train_unembed=False,  # adapters of ours leave the head alone, too
            ).result()

    def resume(self, state: str) -> None:
        """Go on from what `save_state` kept, with the optimizer's moments.

        Raises:
            RefusedError: the service has it no more.
            ServerError: the service fails.
        """
        with failures(self._url):
            made = self._service.create_training_client_from_state_with_optimizer(state)
            self._client = made.result()

    @property
    def tokenizer(self) -> str:
        """The tokenizer that the service says the base has; "" where it does not say."""
        return str(self._begun.get_info().model_data.tokenizer_id or "")

    def update(self, data: Sequence[Datum], rates: Rates) -> float:
        """One step on a batch.

        Returns:
            The loss before it: sum of weight x -log p over all positions, in nats.

        Raises:
            ServerError: the service fails, or reports no loss.
        """
        from tinker import types

        batch = [
            types.Datum(
                model_input=types.ModelInput.from_ints(datum.inputs),
                loss_fn_inputs={
                    "target_tokens": np.array(datum.targets, np.int64),
                    "weights": datum.weights,
                },
            )
            for datum in data
        ]
        adam = types.AdamParams(
            learning_rate=rates.learning_rate,
            beta1=0.9,
            beta2=0.95,
            eps=1e-8,  # all as in `optimizers`
            weight_decay=rates.weight_decay,
            grad_clip_norm=rates.clip or 0.0,
        )
        with failures(self._url):
            # Both are sent before either is waited for: the service works in rounds of seconds.
            passed = self._begun.forward_backward(batch, "cross_entropy")
            stepped = self._begun.optim_step(adam)
            found = passed.result()
            stepped.result()
        return self._loss(data, found)

    def _loss(self, data: Sequence[Datum], found: Any) -> float:
        """From log-probabilities, or where the service leaves these out, from its own sum."""
        outputs = [output.get("logprobs") for output in found.loss_fn_outputs]
        if len(outputs) == len(data) and all(output is not None for output in outputs):
            logps = [np.asarray(output.data, np.float64).reshape(-1) for output in outputs]
            pairs = list(zip(data, logps, strict=True))
            if all(logp.shape == datum.weights.shape for datum, logp in pairs):
                # A position without weight may have any log-probability, -inf with it.
                used = [(datum.weights > 0, datum.weights, logp) for datum, logp in pairs]
                return -float(sum(weights[at] @ logp[at] for at, weights, logp in used))
        if "loss:sum" not in found.metrics:
            raise ServerError(
                f"{self._url} did a step and reported no loss; is the SDK up to date?"
            )
        return float(found.metrics["loss:sum"])

    def save_state(self, name: str) -> str:
        """Let the service keep weights and moments for a week; gives the path that `resume` takes.

        Raises:
            ServerError: the service fails.
        """
        with failures(self._url):
            return str(self._begun.save_state(name, ttl_seconds=_STATE_SECONDS).result().path)

    def save_for_sampling(self, name: str) -> str:
        """Let the service keep weights to sample from; gives their path there.

        Raises:
            ServerError: the service fails.
        """
        with failures(self._url):
            return str(self._begun.save_weights_for_sampler(name).result().path)

    def export(self, name: str, folder: Path) -> list[str]:
        """Fetch the adapter as the files of a PEFT folder.

        Args:
            name: of the export at the service, which keeps it for a day.
            folder: is there; the files are written into it.

        Returns:
            The names of the files; [] where the service gives none.

        Raises:
            ServerError: the service fails, or a file does not arrive whole.
        """
        try:
            with failures(self._url):
                saved = self._begun.save_weights_external(
                    name, ttl_seconds=_EXPORT_SECONDS
                ).result()
        except RefusedError:
            return []
        with failures(self._url):
            urls = self._service_files(saved.path)
        for file, url in urls.items():
            download(self._url, file, url, folder)
        return sorted(urls)

    def _service_files(self, path: str) -> dict[str, str]:
        import tinker

        client = tinker.RestClient(base_url=self._url or None)
        return dict(client.get_external_weights_urls(path).result().urls)

    @property
    def _begun(self) -> Any:
        assert self._client is not None  # noqa: S101  # begin or resume comes first
        return self._client


@contextmanager
def connected(url: str) -> Iterator[Trainer]:
    """A trainer of one adapter; at the end the service is told how it ended.

    Args:
        url: the service's address; "" for the SDK's own.

    Raises:
        MissingExtraError: the extra [tinker] is not installed.
        ServerError: the service cannot be reached, or refuses the key.
    """
    os.environ.setdefault("TINKER_TELEMETRY", "0")  # read when a client is made
    if not os.environ.get("TINKER_LOG"):  # it warns each time it asks whether a result is there
        logging.getLogger("tinker.lib.api_future_impl").setLevel(logging.ERROR)
    try:
        import tinker
        from tinker.lib.base_url import resolve_base_url
    except ImportError as error:
        raise MissingExtraError("Training at Tinker", "tinker") from error
    url = str(resolve_base_url(url or None))
    require_reachable(url)
    with failures(url):
        service = tinker.ServiceClient(base_url=url)
    how = "errored"
    try:
        yield Trainer(url, service)
        how = "success"
    except KeyboardInterrupt:
        how = "interrupted"
        raise
    finally:
        with suppress(ServerError), failures(url):
            service.close(how).result(_GOODBYE)
