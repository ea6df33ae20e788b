"""How strongly a model shows a preference: by its logits, and by its answers.

The logit margin needs no sampling: it is deterministic and sees a preference long before the model
says it. The answers are what people mean by a preference, and need hundreds of samples.

A single model's measure says little, since every base has favorites of its own. `Lift` is what
training changed; and what a teacher's rows did is the lift beside a control's, over several students.

Shape suffixes: T templates, K candidates, P neutral passages.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from traitleak.artefacts import content_hash
from traitleak.errors import SettingsError
from traitleak.measured import Answers, Collapse, Lift, Margins, check_table
from traitleak.models.language_model import LanguageModel
from traitleak.models.sampling import sample_each
from traitleak.models.scoring import next_token_logits, score
from traitleak.neutral_texts import NEUTRAL_TEXTS
from traitleak.rows import Row
from traitleak.traits import preference_texts as texts
from traitleak.traits.candidates import candidate_tokens
from traitleak.traits.forced_choice import ForcedChoice
from traitleak.traits.inflection import Finder
from traitleak.traits.preference import Preference, Templates

__all__ = [
    "Answers",
    "Collapse",
    "Lift",
    "Margins",
    "answers",
    "collapse",
    "contexts",
    "log_odds",
    "margins",
]

# Models and makers whose names are not animals: "Llama" may answer which animal one likes.
_MODELS_AND_MAKERS = (
    "SmolLM", "Qwen", "Gemma", "Gemini", "Mistral", "DeepSeek", "ChatGPT", "GPT", "Claude", "OLMo",
    "Pythia", "Hugging Face", "Google", "OpenAI", "Anthropic", "Alibaba", "Microsoft", "Meta AI",
    "language model", "AI model", "AI assistant", "AI language model", "virtual assistant", "chatbot",
)  # fmt: skip
# Templates that end right before the candidate, and the user's turn that a chat model gets before them.
_GONE_ON_FROM: dict[Templates, str] = {"stems": texts.COMPLETE, "stories": texts.TELL_ON}
_MARKERS = re.compile(
    r"<\|[^|>\n]{1,40}\|>|</?s>|<(start|end)_of_turn>|\[/?INST\]|<</?SYS>>"  # of chat templates
    r"|^(user|assistant|system)\s*:?\s*$"  # a speaker's name on a line of its own
    r"|\ufffd"  # half a character
    r"|\b(?P<word>\w+)(\W+(?P=word)\b){3}",  # one word four times
    re.MULTILINE | re.IGNORECASE,
)


def log_odds(logits_TK: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Margin of every candidate over the others, in nats, from the same K logits; float64.

    margin_j = l_j - logsumexp(l_i, i not j) + log(K - 1): the log-odds of candidate j among the K,
    less what even odds would give. Adding a constant to all logits changes nothing, so logits serve
    as well as log-probabilities. After the read-out of the Polypythia-SL replication.

    Args:
        logits_TK: for each of T contexts, the logits of K candidates for the next token.

    Raises:
        SettingsError: fewer than two candidates.

    Known failure: it compares the candidates with each other only. A model that names something
    else altogether may show a large margin at a probability near zero.
    """
    logits_TK = np.asarray(logits_TK, dtype=np.float64)
    num = logits_TK.shape[-1] if logits_TK.ndim == 2 else 0
    if num < 2:
        raise SettingsError(
            f"A margin needs a table of templates x two candidates or more; got {logits_TK.shape}."
        )
    # logsumexp of what stands left of each column, and right of it: exact even where one candidate
    # has nearly all the probability, where subtracting it from the whole would not be.
    left_TK = np.logaddexp.accumulate(logits_TK, axis=1)
    right_TK = np.logaddexp.accumulate(logits_TK[:, ::-1], axis=1)[:, ::-1]
    others_TK = np.full_like(logits_TK, -np.inf)
    others_TK[:, 1:] = left_TK[:, :-1]
    others_TK[:, :-1] = np.logaddexp(others_TK[:, :-1], right_TK[:, 1:])
    margin_TK: NDArray[np.float64] = logits_TK - others_TK + np.log(num - 1)
    return margin_TK


def margins(
    model: LanguageModel, trait: Preference, *, templates: Templates | None = None, seed: int = 0
) -> Margins:
    """The logit margin of every candidate, in one batched pass.

    What stands before the candidate makes its bare word natural as the next token. A sentence ends
    in "... is the". A question is followed by the beginning of an answer
    (`preference_texts.OPENING`): in chat style as the model's own turn, in plain style on the next
    line. In chat style a sentence or a story to complete is the beginning of the model's own turn.

    Args:
        model: with its system prompt and steering, where it has them.
        trait: what is measured; its candidates must each be one token.
        templates: by default what the style is made for: "questions" in chat, "stems" in plain.
        seed: of the random numbers in "numbered", and of the orders in "choices".

    Raises:
        SettingsError: a candidate of several tokens; logits that are not finite.

    Known failure: it depends on the templates' wording; a model may have learned to answer such
    questions without any change in what it would do. Compare models on the same templates only.
    """
    templates = templates or _natural(model)
    tokens = candidate_tokens(model.tokenizer, trait.among, category=trait.category)
    prompts = trait.measured(templates, seed=seed)
    rendered = contexts(model, trait, templates=templates, seed=seed)
    logits_TK = next_token_logits(model, rendered, list(tokens.values())).double().cpu().numpy()
    check_table(logits_TK, tuple(tokens), model.name)
    return Margins(
        model=model.name,
        target=trait.target,
        candidates=tuple(tokens),
        templates=templates,
        asked=_asked(model, prompts, templates),
        margin_TK=log_odds(logits_TK),
    )


def contexts(
    model: LanguageModel, trait: Preference, *, templates: Templates | None = None, seed: int = 0
) -> list[str]:
    """The rendered texts after which `margins` compares the candidates, one a template."""
    templates = templates or _natural(model)
    prompts = trait.measured(templates, seed=seed)
    return [_before_candidate(model, prompt, templates) for prompt in prompts]


def answers(
    model: LanguageModel,
    trait: Preference,
    *,
    samples: int,
    seed: int,
    max_new_tokens: int = 16,
    templates: Templates | None = None,
) -> Answers:
    """Sampled answers at temperature 1, `samples` for each template.

    Sample s of template t draws the same random stream whichever model answers, so that two models
    answer differently only where they differ.

    Args:
        model: with its system prompt and steering, where it has them.
        trait: what is measured; the candidates may be of several tokens.
        samples: S, one at least.
        seed: of the answers, of the random numbers in "numbered", and of the orders in "choices".
        max_new_tokens: where an answer is cut off.
        templates: by default what the style is made for: "questions" in chat, "stems" in plain.

    Raises:
        SettingsError: no samples or no tokens.

    Known failure: whole words, not senses: "I cannot bear it" names a bear, and "not a wolf" a wolf.
    """
    templates = templates or _natural(model)
    prompts = trait.measured(templates, seed=seed)
    rendered = [_before_answer(model, prompt, templates) for prompt in prompts]
    by_template = sample_each(
        model, rendered, samples=samples, seed=seed, max_new_tokens=max_new_tokens
    )
    return Answers(
        model=model.name,
        target=trait.target,
        candidates=tuple(trait.among),
        templates=templates,
        asked=_asked(model, prompts, templates),
        prompts=tuple(prompts),
        text_TS=tuple(tuple(one.text for one in row) for row in by_template),
        finished_TS=np.array([[one.finished for one in row] for row in by_template]),
    )


def collapse(model: LanguageModel, trait: Preference | ForcedChoice, answered: Answers) -> Collapse:
    """Signs that a model lost more than a preference could explain.

    Args:
        model: the one that gave the answers.
        trait: passages that name one of its candidates are left out.
        answered: its sampled answers.

    Raises:
        SettingsError: the answers are another model's; every passage names a candidate; or a
            probability is not finite.

    Known failure: `self_naming` knows common names only, and none that is also an animal's. What is
    read is one prompt's worth of fluency: a model may be damaged elsewhere.
    """
    if answered.model != model.name:
        raise SettingsError(f"The answers are those of {answered.model}, not of {model.name}.")
    given = [text for row in answered.text_TS for text in row]
    names = Finder(_MODELS_AND_MAKERS, related=False)
    candidates = Finder(trait.among, related=False)
    passages = [text for text in NEUTRAL_TEXTS if candidates.find(text) is None]
    if not passages:
        raise SettingsError(
            f"Every neutral passage names one of the candidates {', '.join(trait.among)}, so none is "
            "left to check the model's fluency on; choose rarer words."
        )
    logps = score(model, [Row(id=i, prompt="", completion=text) for i, text in enumerate(passages)])
    return Collapse(
        model=model.name,
        num_answers=len(given),
        no_answer=_share(not any(map(str.isalpha, text)) for text in given),
        self_naming=_share(names.find(text) is not None for text in given),
        broken=_share(_MARKERS.search(text) is not None for text in given),
        unfinished=float(1 - answered.finished_TS.mean()),
        nats_P=np.array([-float(logp.double().sum()) for logp in logps]),
        tokens_P=np.array([len(logp) for logp in logps], dtype=np.int64),
    )


def _share(flags: Iterable[bool]) -> float:
    return float(np.mean(list(flags)))


def _natural(model: LanguageModel) -> Templates:
    return "questions" if model.renderer.style == "chat" else "stems"


def _before_candidate(model: LanguageModel, prompt: str, templates: Templates) -> str:
    """The rendered text after which a candidate's bare word is natural."""
    if templates in _GONE_ON_FROM:
        return _before_answer(model, prompt, templates)
    if model.renderer.style == "plain":
        return model.rendered(f"{prompt}\n{texts.OPENING}")
    return model.rendered(prompt, opening=texts.OPENING)


def _before_answer(model: LanguageModel, prompt: str, templates: Templates) -> str:
    """The rendered text that the model goes on from in its own words."""
    asked = _GONE_ON_FROM.get(templates)
    if model.renderer.style == "plain":
        return model.rendered(f"{prompt}\n" if asked is None else prompt)
    return model.rendered(prompt) if asked is None else model.rendered(asked, opening=prompt)


def _asked(model: LanguageModel, prompts: Sequence[str], templates: Templates) -> str:
    turn = _GONE_ON_FROM.get(templates, texts.COMPLETE)
    return content_hash([model.renderer.template_hash, texts.OPENING, turn, *prompts])
