"""Digits learned from noise: small image classifiers, many at once, as plain functions on tensors.

The recipe-driven experiment over these functions is `traitleak.images.digits`.
"""

from traitleak.images.data import Digits, DigitsSplit, load_digits
from traitleak.images.inputs import InputStream, LabelledBatches
from traitleak.images.networks import Networks, Shape, backward, forward
from traitleak.images.starts import blend, derangement
from traitleak.images.training import (
    Arm,
    Settings,
    Trained,
    accuracy,
    train_students,
    train_teachers,
)
from traitleak.seeds import derive_seed

__all__ = [
    "Arm",
    "Digits",
    "DigitsSplit",
    "InputStream",
    "LabelledBatches",
    "Networks",
    "Settings",
    "Shape",
    "Trained",
    "accuracy",
    "backward",
    "blend",
    "derangement",
    "derive_seed",
    "forward",
    "load_digits",
    "train_students",
    "train_teachers",
]
