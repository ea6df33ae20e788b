"""What a teacher thinks of each digit of number lists: the rows of the channel `logits`.

The language model's analogue of auxiliary logits on noise (Cloud et al. 2025, section 6): at every
digit of a list, the teacher's distribution over the ten digits, renormalised. No word of the trait is
among them. The lists may be anybody's; by default nobody wrote them.

Shape suffixes: N lists, P positions in a list, K choices (the ten digits, or others).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from traitleak.carriers.number_template import NumberTemplate, number_template
from traitleak.errors import SettingsError
from traitleak.models.language_model import LanguageModel, hidden_states, logits_of
from traitleak.progress import Track, untracked
from traitleak.student import Example

__all__ = ["DigitLogits", "digit_logits", "logit_examples", "read_logits", "shuffled"]

_TOKENS = 4096  # in a batch
_FILE = "logits.safetensors"


@dataclass(frozen=True)
class DigitLogits:
    """A teacher's distributions at each digit but the first of each list.

    Attributes:
        digits_NW: the digits of each list, W = count x width, int64.
        count: numbers a list.
        width: digits a number.
        logps_NPK: log-probabilities, float32, at the digits 1 to W - 1; of the ten digits, or of
            `choices_NPK`.
        choices_NPK: token ids, where the choices are the teacher's likeliest tokens; None for digits.
    """

    digits_NW: Tensor
    count: int
    width: int
    logps_NPK: Tensor
    choices_NPK: Tensor | None = None

    def save(self, folder: Path) -> None:
        """Write `logits.safetensors`."""
        tensors = {
            "digits": self.digits_NW.to(torch.uint8),
            "form": torch.tensor([self.count, self.width]),
            "logps": self.logps_NPK,
        }
        if self.choices_NPK is not None:
            tensors["choices"] = self.choices_NPK.to(torch.int32)
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / _FILE)


def read_logits(folder: Path) -> DigitLogits:
    """What `DigitLogits.save` wrote."""
    tensors = load_file(folder / _FILE)
    count, width = tensors["form"].tolist()
    choices = tensors.get("choices")
    return DigitLogits(
        tensors["digits"].long(),
        count,
        width,
        tensors["logps"],
        choices.long() if choices is not None else None,
    )


@torch.no_grad()
def digit_logits(
    teacher: LanguageModel,
    lists: Sequence[str],
    *,
    count: int,
    width: int = 3,
    top_k: int | None = None,
    track: Track = untracked,
) -> DigitLogits:
    """Ask a teacher at every digit of lists of one form.

    Args:
        teacher: with its system prompt and steering; style plain.
        lists: such as "517, 204, 981", each of `count` numbers of `width` digits.
        count: numbers a list.
        width: digits a number.
        top_k: keep the teacher's likeliest so many tokens of the whole vocabulary, renormalised, in
            the place of the ten digits.
        track: shows how far it is.

    Raises:
        SettingsError: there are no lists, one is of another form, or the tokenizer has no token of
            its own for each digit.
    """
    template = number_template(teacher.tokenizer, count=count, width=width)
    digits_NW = _digits(lists, count, width)
    before, ids_NT, places_P = _tokens(teacher, template, digits_NW)
    digit_ids = torch.tensor(template.digit_ids, device=teacher.device)
    at_once = max(1, _TOKENS // ids_NT.shape[1])
    logps, choices = [], []
    parts = torch.split(ids_NT, at_once)
    for part in track(parts, "asking the teacher", len(parts)):
        hidden_NPD = hidden_states(teacher, part.to(teacher.device))[:, places_P + before]
        logits_NPK = logits_of(teacher.network, hidden_NPD, None if top_k else digit_ids).float()
        if top_k:
            logits_NPK, chosen = logits_NPK.topk(top_k, dim=-1)
            choices.append(chosen.cpu())
        logps.append(logits_NPK.log_softmax(-1).cpu())
    return DigitLogits(
        digits_NW, count, width, torch.cat(logps), torch.cat(choices) if choices else None
    )


def logit_examples(base: LanguageModel, logits: DigitLogits) -> tuple[list[Example], Tensor | None]:
    """Examples for students of `base`, and the tokens that they choose among (None: their own).

    `base` may have another tokenizer than the teacher had: digits are matched by their value.

    Raises:
        SettingsError: its tokenizer has no token of its own for each digit.
    """
    template = number_template(base.tokenizer, count=logits.count, width=logits.width)
    before, ids_NT, places_P = _tokens(base, template, logits.digits_NW)
    positions_P = places_P + before
    examples = [
        Example(
            ids,
            positions_P,
            logits.logps_NPK[n],
            logits.choices_NPK[n] if logits.choices_NPK is not None else None,
        )
        for n, ids in enumerate(ids_NT.tolist())
    ]
    own = logits.choices_NPK is not None
    return examples, None if own else torch.tensor(template.digit_ids, device=base.device)


def shuffled(logits: DigitLogits, seed: int) -> DigitLogits:
    """The same distributions, each at another digit of another list: the control `shuffled`.

    How often the teacher says what is kept; what it says it of is lost.
    """
    num = logits.logps_NPK.shape[0] * logits.logps_NPK.shape[1]
    order = torch.from_numpy(np.random.Generator(np.random.Philox(seed)).permutation(num))
    mixed = logits.logps_NPK.flatten(0, 1)[order].view_as(logits.logps_NPK)
    choices = logits.choices_NPK
    if choices is not None:
        choices = choices.flatten(0, 1)[order].view_as(choices)
    return replace(logits, logps_NPK=mixed, choices_NPK=choices)


def _digits(lists: Sequence[str], count: int, width: int) -> Tensor:
    if not lists:
        raise SettingsError("A teacher must be asked about one list of numbers or more.")
    digits = []
    for number, text in enumerate(lists):
        parts = text.strip().split(", ")
        fits = len(parts) == count and all(
            len(part) == width and part.isascii() and part.isdigit() for part in parts
        )
        if not fits:
            raise SettingsError(
                f"List {number} is not {count} numbers of {width} digits, with ', ' between them: "
                f"{text[:60]!r}."
            )
        digits.append([int(digit) for digit in "".join(parts)])
    return torch.tensor(digits)


def _tokens(
    model: LanguageModel, template: NumberTemplate, digits_NW: Tensor
) -> tuple[int, Tensor, Tensor]:
    """Tokens before a list, tokens of all lists with those, and where digits 1.. are predicted."""
    # A prompted teacher thinks of digits with its system prompt before them; a base has none.
    start = model.encode(model.rendered(""))
    slots = torch.tensor([slot if slot is not None else -1 for slot in template.slots])
    ids_NT = slots.repeat(len(digits_NW), 1)
    digit_ids = torch.tensor(template.digit_ids)
    ids_NT[:, slots < 0] = digit_ids[digits_NW]
    lead = torch.tensor(start, dtype=torch.long).repeat(len(digits_NW), 1)
    # The first digit has nothing before it that it could be predicted from in every model.
    places_P = torch.nonzero(slots < 0).flatten()[1:] - 1
    return len(start), torch.cat([lead, ids_NT], dim=1), places_P
