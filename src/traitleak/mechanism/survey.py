"""The theorem on many random networks: which way does the student's update point?

Each network is checked three times, with one thing changed a time:

- `shared`: the student starts as its teacher did. The theorem promises no negative inner product.
- `other`: the student starts elsewhere. Nothing is promised: a coin toss.
- `sharpened`: a shared start, but the student fits the teacher's logits times two (a temperature of a
  half). Its loss is then not least at the teacher's outputs, which the theorem assumes: a coin toss.

That the last two are *fair* coins is by design. To leading order such a student does not see which way
its teacher went: it is pulled by its teacher's start. So each teacher goes up or down its loss by a
fair coin of its own, which turns d_T around and leaves that pull as it is. Without this the coin may be
loaded: `Survey.unturned_sign_test` shows that most inner products are then negative where the teacher
shrinks its parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from traitleak.errors import SettingsError
from traitleak.mechanism.cases import Arm, Case, Lesson, draw_case
from traitleak.mechanism.theorem import StepCheck
from traitleak.mechanism.threads import one_thread
from traitleak.progress import Track, untracked

__all__ = ["Finding", "Measured", "SignTest", "Survey", "sign_test", "survey_networks"]


@dataclass(frozen=True)
class Measured:
    """What is kept of a `StepCheck`."""

    inner_product: float
    predicted: float
    cosine: float
    round_off: float
    teacher_loss_change: float

    @classmethod
    def of(cls, step: StepCheck) -> Measured:
        """Keep the numbers of `step`, which must have a teacher's loss."""
        assert step.teacher_loss_change is not None  # noqa: S101  every case has one
        return cls(
            step.inner_product,
            step.predicted,
            step.cosine,
            step.round_off,
            step.teacher_loss_change,
        )

    @property
    def sign(self) -> int:
        """Of the inner product: 1, -1, or 0 where it is not clear of rounding."""
        return int(np.sign(self.inner_product)) if abs(self.inner_product) > self.round_off else 0


@dataclass(frozen=True)
class Finding:
    """One random network in the three arms."""

    case: Case
    shared: Measured
    other: Measured
    sharpened: Measured


@dataclass(frozen=True)
class SignTest:
    """How often an inner product is positive, against a fair coin.

    Attributes:
        positive: how many are.
        count: of how many; those within rounding of zero are left out.
        low: lower end of the share's 95 % interval (Clopper and Pearson 1934).
        high: upper end.
        p: two-sided exact binomial p against 1/2.
    """

    positive: int
    count: int
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Survey:
    """All networks of a survey."""

    findings: tuple[Finding, ...]

    def measured(self, arm: Arm) -> list[Measured]:
        """One arm, a network each."""
        return [getattr(finding, arm) for finding in self.findings]

    def count(self, arm: Arm, sign: int) -> int:
        """How many inner products have that sign; 0 counts those within rounding of zero."""
        return sum(m.sign == sign for m in self.measured(arm))

    def lowered(self, arm: Arm) -> int:
        """How many students with a positive inner product lowered their teacher's loss."""
        return sum(m.sign > 0 and m.teacher_loss_change < 0 for m in self.measured(arm))

    def sign_test(self, arm: Arm) -> SignTest:
        """The arm's signs against a fair coin."""
        return sign_test([m.sign for m in self.measured(arm)])

    def unturned_sign_test(self, arm: Arm, lesson: Lesson) -> SignTest:
        """The signs against teachers of `lesson`, had they all gone down their loss.

        Where a student does not see, to leading order, which way its teacher went, its inner product
        with a teacher that goes down is that measured times the case's sign.
        """
        return sign_test(
            [getattr(f, arm).sign * f.case.sign for f in self.findings if f.case.lesson == lesson]
        )


def sign_test(signs: Sequence[int]) -> SignTest:
    """Exact two-sided binomial test of the share of positive signs against 1/2; zeros are left out.

    Without any sign the interval is all of [0, 1] and p is 1.
    """
    positive, count = sum(s > 0 for s in signs), sum(s != 0 for s in signs)
    if count == 0:
        return SignTest(0, 0, 0.0, 1.0, 1.0)
    test = stats.binomtest(positive, count, 0.5)
    interval = test.proportion_ci(0.95, method="exact")
    return SignTest(positive, count, float(interval.low), float(interval.high), float(test.pvalue))


@one_thread()
def survey_networks(networks: int, *, seed: int = 0, track: Track = untracked) -> Survey:
    """Check the theorem on `networks` random networks; about 8 ms each on one core.

    Raises:
        SettingsError: fewer than one network, or a negative seed.
    """
    if networks < 1 or seed < 0:
        raise SettingsError(
            f"A survey needs at least one network and a seed of 0 or more; got {networks} networks "
            f"and seed {seed}."
        )
    findings = []
    for index in track(range(networks), "random networks", networks):
        drawn = draw_case(seed, index)
        shared, other, sharpened = (
            Measured.of(drawn.check(arm)) for arm in ("shared", "other", "sharpened")
        )
        findings.append(Finding(drawn.case, shared, other, sharpened))
    return Survey(tuple(findings))
