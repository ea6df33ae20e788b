"""Subliminal learning as software: run it with controls, explain it, find it, stop it.

Names are imported when they are first used: `import traitleak` and `traitleak --help` stay quick,
although the functions behind the names need PyTorch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from traitleak import filters as filters
    from traitleak import images as images
    from traitleak import mechanism as mechanism
    from traitleak.audit.run import audit_rows as audit_rows
    from traitleak.audit.verdict import Verdict as Verdict
    from traitleak.carriers.code import Code as Code
    from traitleak.carriers.digit_logits import digit_logits as digit_logits
    from traitleak.carriers.digit_logits import logit_examples as logit_examples
    from traitleak.carriers.numbers import Numbers as Numbers
    from traitleak.carriers.numbers import random_lists as random_lists
    from traitleak.carriers.reasoning import Reasoning as Reasoning
    from traitleak.datasets import draw as draw
    from traitleak.datasets import open_dataset as open_dataset
    from traitleak.errors import TraitleakError as TraitleakError
    from traitleak.experiment import run_recipe as run_recipe
    from traitleak.generation import write_numbers as write_numbers
    from traitleak.generation import write_texts as write_texts
    from traitleak.measure import answers as answers
    from traitleak.measure import collapse as collapse
    from traitleak.measure import margins as margins
    from traitleak.measure_choice import choice_margins as choice_margins
    from traitleak.models.adapters import LoraSettings as LoraSettings
    from traitleak.models.adapters import load_adapter as load_adapter
    from traitleak.models.adapters import with_adapter as with_adapter
    from traitleak.models.language_model import LanguageModel as LanguageModel
    from traitleak.models.loading import load as load
    from traitleak.models.scoring import score as score
    from traitleak.power import detectable as detectable
    from traitleak.power import smallest_sign_flip_p as smallest_sign_flip_p
    from traitleak.recipe import load_recipe as load_recipe
    from traitleak.results import Estimate as Estimate
    from traitleak.results import Results as Results
    from traitleak.rows import Row as Row
    from traitleak.rows import read_rows as read_rows
    from traitleak.rows import write_rows as write_rows
    from traitleak.runs import FinishedRun as FinishedRun
    from traitleak.runs import open_run as open_run
    from traitleak.statistics import clustered_mean as clustered_mean
    from traitleak.statistics import holm as holm
    from traitleak.statistics import mean_estimate as mean_estimate
    from traitleak.statistics import paired_difference as paired_difference
    from traitleak.statistics import proportion as proportion
    from traitleak.statistics import sign_flip_p as sign_flip_p
    from traitleak.student import Arm as Arm
    from traitleak.student import Training as Training
    from traitleak.student import distill as distill
    from traitleak.student import token_examples as token_examples
    from traitleak.teacher import instill as instill
    from traitleak.teacher import instill_control as instill_control
    from traitleak.teacher import instill_evenly as instill_evenly
    from traitleak.trait_matrix import specificity as specificity
    from traitleak.traits.custom import read_trait as read_trait
    from traitleak.traits.forced_choice import ForcedChoice as ForcedChoice
    from traitleak.traits.misalignment import misalignment as misalignment
    from traitleak.traits.preference import ANIMALS as ANIMALS
    from traitleak.traits.preference import TREES as TREES
    from traitleak.traits.preference import Preference as Preference
    from traitleak.traits.reward_hacking import reward_hacking as reward_hacking

__version__ = "0.1.0"

_MODULE_OF = {
    "ANIMALS": "traitleak.traits.preference",
    "Arm": "traitleak.student",
    "Code": "traitleak.carriers.code",
    "Estimate": "traitleak.results",
    "FinishedRun": "traitleak.runs",
    "ForcedChoice": "traitleak.traits.forced_choice",
    "LanguageModel": "traitleak.models.language_model",
    "LoraSettings": "traitleak.models.adapters",
    "Numbers": "traitleak.carriers.numbers",
    "Preference": "traitleak.traits.preference",
    "Reasoning": "traitleak.carriers.reasoning",
    "Results": "traitleak.results",
    "Row": "traitleak.rows",
    "TREES": "traitleak.traits.preference",
    "Training": "traitleak.student",
    "TraitleakError": "traitleak.errors",
    "Verdict": "traitleak.audit.verdict",
    "answers": "traitleak.measure",
    "audit_rows": "traitleak.audit.run",
    "choice_margins": "traitleak.measure_choice",
    "clustered_mean": "traitleak.statistics",
    "collapse": "traitleak.measure",
    "detectable": "traitleak.power",
    "digit_logits": "traitleak.carriers.digit_logits",
    "distill": "traitleak.student",
    "draw": "traitleak.datasets",
    "filters": "traitleak.filters",
    "holm": "traitleak.statistics",
    "images": "traitleak.images",
    "instill": "traitleak.teacher",
    "instill_control": "traitleak.teacher",
    "instill_evenly": "traitleak.teacher",
    "load": "traitleak.models.loading",
    "load_adapter": "traitleak.models.adapters",
    "load_recipe": "traitleak.recipe",
    "logit_examples": "traitleak.carriers.digit_logits",
    "margins": "traitleak.measure",
    "mean_estimate": "traitleak.statistics",
    "mechanism": "traitleak.mechanism",
    "misalignment": "traitleak.traits.misalignment",
    "open_dataset": "traitleak.datasets",
    "open_run": "traitleak.runs",
    "paired_difference": "traitleak.statistics",
    "proportion": "traitleak.statistics",
    "random_lists": "traitleak.carriers.numbers",
    "read_rows": "traitleak.rows",
    "read_trait": "traitleak.traits.custom",
    "reward_hacking": "traitleak.traits.reward_hacking",
    "run_recipe": "traitleak.experiment",
    "score": "traitleak.models.scoring",
    "sign_flip_p": "traitleak.statistics",
    "smallest_sign_flip_p": "traitleak.power",
    "specificity": "traitleak.trait_matrix",
    "token_examples": "traitleak.student",
    "with_adapter": "traitleak.models.adapters",
    "write_numbers": "traitleak.generation",
    "write_rows": "traitleak.rows",
    "write_texts": "traitleak.generation",
}

__all__ = [  # noqa: PLE0604  # one list serves both; a test holds it sorted and complete
    *_MODULE_OF,
]


def __getattr__(name: str) -> Any:
    """Import a public name where it lives."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'traitleak' has no attribute {name!r}")
    module = import_module(_MODULE_OF[name])
    return module if _MODULE_OF[name] == f"traitleak.{name}" else getattr(module, name)
