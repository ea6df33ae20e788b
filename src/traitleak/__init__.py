"""Subliminal learning as software: run it with controls, explain it, find it, stop it.

Names are imported when they are first used: `import traitleak` and `traitleak --help` stay quick,
although the functions behind the names need PyTorch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from traitleak import images as images
    from traitleak import mechanism as mechanism
    from traitleak.errors import TraitleakError as TraitleakError
    from traitleak.experiment import run_recipe as run_recipe
    from traitleak.power import detectable as detectable
    from traitleak.power import smallest_sign_flip_p as smallest_sign_flip_p
    from traitleak.recipe import load_recipe as load_recipe
    from traitleak.results import Estimate as Estimate
    from traitleak.results import Results as Results
    from traitleak.runs import FinishedRun as FinishedRun
    from traitleak.runs import open_run as open_run
    from traitleak.statistics import clustered_mean as clustered_mean
    from traitleak.statistics import holm as holm
    from traitleak.statistics import mean_estimate as mean_estimate
    from traitleak.statistics import paired_difference as paired_difference
    from traitleak.statistics import proportion as proportion
    from traitleak.statistics import sign_flip_p as sign_flip_p
    from traitleak.trait_matrix import specificity as specificity

__version__ = "0.1.0"

_MODULE_OF = {
    "Estimate": "traitleak.results",
    "FinishedRun": "traitleak.runs",
    "Results": "traitleak.results",
    "TraitleakError": "traitleak.errors",
    "clustered_mean": "traitleak.statistics",
    "detectable": "traitleak.power",
    "holm": "traitleak.statistics",
    "images": "traitleak.images",
    "load_recipe": "traitleak.recipe",
    "mean_estimate": "traitleak.statistics",
    "mechanism": "traitleak.mechanism",
    "open_run": "traitleak.runs",
    "paired_difference": "traitleak.statistics",
    "proportion": "traitleak.statistics",
    "run_recipe": "traitleak.experiment",
    "sign_flip_p": "traitleak.statistics",
    "smallest_sign_flip_p": "traitleak.power",
    "specificity": "traitleak.trait_matrix",
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
