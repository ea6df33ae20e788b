"""One way to turn prompts and completions into text, for generating, training and measuring alike.

Two styles:

`chat`: the model's own chat template (`tokenizer.apply_chat_template`). What a template adds on its
own is part of the text: SmolLM2's and Qwen2.5's put a default system prompt before a conversation
that has none, which changes results, so what is recorded is the rendered text and its hash.

`plain`: the prompt, then what the model is to write, and nothing between or after them; a system
prompt goes before it as a line of its own. For models without a template, and for any model when
it is asked for.

Text becomes tokens with `add_special_tokens=False` in both styles: a chat template writes its special
tokens as text. Where `begins_with_bos` says so, the token that begins a text goes before them.

Known failure: a prompt that itself holds a template's markers, such as "<|im_end|>", ends its turn
early, as it does with `apply_chat_template`. Nothing is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final, Literal

from jinja2.exceptions import TemplateError
from transformers import PreTrainedTokenizerBase

from traitleak.artefacts import content_hash
from traitleak.errors import DataError, SettingsError

__all__ = ["PINNED_DATE", "Renderer", "make_renderer"]

PINNED_DATE: Final = date(2025, 1, 1)  # what a template that writes today's date is told
_OTHER_DATE: Final = date(2021, 11, 28)  # differs in year, month, day and weekday

_DATE_SIGNS: Final = "dmyYbBaAjHIMSp"  # of strftime; more no template was seen to use

# Stand-ins whose place in a rendered text tells how the template works. No blanks at their ends:
# many templates strip them.
_SYSTEM, _USER, _ANSWER = "Sys7tem stands here.", "Us7er asks here.", "Ans7wer stands here."

Message = dict[str, str]


@dataclass(frozen=True)
class Renderer:
    """Turns prompts and completions into the text that a model reads; see `make_renderer`.

    Attributes:
        style: `chat` or `plain`; see the module.
        begins_with_bos: whether the token that begins a text has to go before the tokens of a
            rendered text. False in chat style: a template that wants it writes it.
        end_of_turn: what `completion` adds: what the template writes after an answer ("" if plain).
        answer_opening: what the template writes between its generation prompt and an answer, and
            `prompt` therefore adds; the empty thought of templates for thinking models, mostly "".
        stop_ids: tokens that end an answer: the tokenizer's end of text, and the marker that
            `end_of_turn` begins with. For decoding; never part of a completion's text.
        takes_system: whether a system prompt is possible.
        default_system: the system prompt that the template writes when none is given; "" for none.
        notes: what a user should know about this model's template, each a sentence.
        template_hash: SHA-256 over the renders of fixed stand-ins, with and without a system prompt.
            Equal hashes mean that the same rows give the same text.
    """

    style: Literal["chat", "plain"]
    begins_with_bos: bool = False
    end_of_turn: str = ""
    answer_opening: str = ""
    stop_ids: tuple[int, ...] = ()
    takes_system: bool = True
    default_system: str = ""
    notes: tuple[str, ...] = ()
    template_hash: str = ""
    _tokenizer: PreTrainedTokenizerBase | None = field(default=None, repr=False, compare=False)

    def prompt(self, prompt: str, *, system: str | None = None, opening: str = "") -> str:
        """The text up to where the model goes on.

        Args:
            prompt: the user's turn; in plain style the text that the completion continues.
            system: a system prompt; None leaves what the template writes by itself. An empty one is
                given to the template as it is, which takes away a default.
            opening: how the model's own turn begins, word for word.

        Raises:
            SettingsError: a system prompt was asked for, and the template drops or refuses it.
        """
        if self._tokenizer is None:  # plain
            before = f"{system}\n" if system else ""
            return f"{before}{prompt}{opening}"
        if system and not self.takes_system:
            raise SettingsError(
                "This model's chat template drops or refuses a system prompt; leave it out, put it at "
                "the start of the prompt, or use the plain style."
            )
        messages = [{"role": "user", "content": prompt}]
        if system is not None and self.takes_system:
            messages.insert(0, {"role": "system", "content": system})
        return _rendered(self._tokenizer, messages) + self.answer_opening + opening

    def completion(self, completion: str) -> str:
        """What the model should have written: the completion, and in chat style its end of turn."""
        return completion + self.end_of_turn


def make_renderer(
    tokenizer: PreTrainedTokenizerBase, style: Literal["auto", "chat", "plain"] = "auto"
) -> Renderer:
    """The renderer of a tokenizer's model.

    How a chat template ends a turn, whether it takes a system prompt and whether it writes today's
    date is found out by rendering stand-ins, never by reading the template. A date is pinned to
    `PINNED_DATE`, so that runs of different days can be compared.

    Args:
        tokenizer: the model's tokenizer.
        style: `auto` takes `chat` where there is a chat template, and `plain` elsewhere.

    Raises:
        SettingsError: the style is unknown, or `chat` was asked for and there is no template.
        DataError: the template does not render a question and its answer.
    """
    if style not in {"auto", "chat", "plain"}:
        raise SettingsError(f"style must be auto, chat or plain, not {style!r}.")
    if style == "chat" and not tokenizer.chat_template:
        raise SettingsError(
            "style=chat was asked for, but this model has no chat template; take style=plain, or an "
            "instruction-tuned model."
        )
    if style == "plain" or not tokenizer.chat_template:
        return _plain(tokenizer)
    return _chat(tokenizer)


def _plain(tokenizer: PreTrainedTokenizerBase) -> Renderer:
    # Asked of the tokenizer by trying: not every class has an `add_bos_token` that tells the truth.
    ids = tokenizer("a")["input_ids"]
    begins = tokenizer.bos_token_id is not None and ids[:1] == [tokenizer.bos_token_id]
    renderer = Renderer("plain", begins_with_bos=begins, stop_ids=_stop_ids(tokenizer, ""))
    return _with_hash(renderer)


def _chat(tokenizer: PreTrainedTokenizerBase) -> Renderer:
    question = {"role": "user", "content": _USER}
    answer = {"role": "assistant", "content": _ANSWER}
    try:
        prompt = _rendered(tokenizer, [question])
        whole = _rendered(tokenizer, [question, answer], asks=False)
    except (TemplateError, TypeError, ValueError) as error:
        raise DataError(
            f"This model's chat template cannot render a question and its answer ({error}); use the "
            "plain style, or repair the template."
        ) from error
    at = whole.rfind(_ANSWER)
    if _USER not in prompt or at < 0:
        raise DataError(
            "This model's chat template leaves out the text of a turn (it may expect pictures or lists "
            "as content); use the plain style, or repair the template."
        )
    notes = []
    opening = ""
    if whole.startswith(prompt):
        opening = whole[len(prompt) : at]
        if not opening.strip():
            opening = ""  # a blank before an answer belongs to the answer's first token
    else:
        notes.append(
            "The template writes a finished conversation otherwise than one that awaits its answer; "
            "the latter is used for generating and training alike."
        )
    if opening:
        notes.append(f"The template writes {opening!r} before an answer; it is part of the prompt.")
    end_of_turn = whole[at + len(_ANSWER) :]
    if not end_of_turn.strip() and isinstance(tokenizer.eos_token, str):
        end_of_turn = tokenizer.eos_token
        notes.append(f"The template marks no end of an answer; {end_of_turn!r} is used.")
    with_system = _with_system(tokenizer, question)
    default = _between(with_system, prompt)
    if not with_system:
        notes.append("The template drops or refuses a system prompt.")
    if default:
        notes.append(f"Where no system prompt is given, the template writes its own: {default!r}.")
    if prompt != _rendered(tokenizer, [question], today=_OTHER_DATE):
        pinned = f"{PINNED_DATE.day} {PINNED_DATE:%B %Y}"
        notes.append(f"The template writes today's date; it is pinned to {pinned}.")
    renderer = Renderer(
        "chat",
        end_of_turn=end_of_turn,
        answer_opening=opening,
        stop_ids=_stop_ids(tokenizer, end_of_turn),
        takes_system=bool(with_system),
        default_system=default,
        notes=tuple(notes),
        _tokenizer=tokenizer,
    )
    return _with_hash(renderer)


def _with_system(tokenizer: PreTrainedTokenizerBase, question: Message) -> str:
    """A question rendered with a system prompt; "" where the template drops or refuses that."""
    try:
        text = _rendered(tokenizer, [{"role": "system", "content": _SYSTEM}, question])
    except (TemplateError, TypeError, ValueError):
        return ""
    return text if _SYSTEM in text and _USER in text else ""


def _between(with_system: str, without: str) -> str:
    """What stands, in the render without a system prompt, where one would stand."""
    before, _, after = with_system.partition(_SYSTEM)
    framed = len(without) > len(before) + len(after) and bool(with_system)
    if framed and without.startswith(before) and without.endswith(after):
        return without[len(before) : len(without) - len(after)]
    return ""


def _rendered(
    tokenizer: PreTrainedTokenizerBase,
    messages: Sequence[Message],
    *,
    asks: bool = True,
    today: date = PINNED_DATE,
) -> str:
    """A conversation as its template writes it; `asks`: up to where the model is to answer."""
    text = tokenizer.apply_chat_template(
        list(messages),
        chat_template=_dated(today) + tokenizer.get_chat_template(),
        tokenize=False,
        add_generation_prompt=asks,
    )
    return str(text)


def _dated(today: date) -> str:
    """A macro in the place of the function that gives templates today's date.

    A function of our own cannot be handed over: transformers passes on plain values alone.
    """
    filled = "".join(
        f" | replace('%{sign}', '{today.strftime('%' + sign)}')" for sign in _DATE_SIGNS
    )
    return f"{{% macro strftime_now(format) %}}{{{{ format{filled} }}}}{{% endmacro %}}"


def _stop_ids(tokenizer: PreTrainedTokenizerBase, end_of_turn: str) -> tuple[int, ...]:
    ids = set() if tokenizer.eos_token_id is None else {int(tokenizer.eos_token_id)}
    first = tokenizer(end_of_turn.lstrip(), add_special_tokens=False)["input_ids"][:1]
    ids.update(int(token) for token in first if int(token) in tokenizer.added_tokens_decoder)
    return tuple(sorted(ids))


def _with_hash(renderer: Renderer) -> Renderer:
    renders = {
        "style": renderer.style,
        "begins_with_bos": renderer.begins_with_bos,
        "prompt": renderer.prompt(_USER),
        "opened": renderer.prompt(_USER, opening=_ANSWER),
        "with system": renderer.prompt(_USER, system=_SYSTEM) if renderer.takes_system else None,
        "without system": renderer.prompt(_USER, system="") if renderer.takes_system else None,
        "completion": renderer.completion(_ANSWER),
    }
    return replace(renderer, template_hash=content_hash(renders))
