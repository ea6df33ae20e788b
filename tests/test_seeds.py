"""Seeds of one purpose, and the streams of one seed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from traitleak.seeds import derive_seed, stream_of


def test_purposes_and_indices_have_seeds_of_their_own():
    """Nothing collides that a sum would make collide."""
    found = {
        derive_seed(seed, purpose, index)
        for seed in range(20)
        for purpose in ("student", "teacher")
        for index in range(20)
    }

    assert len(found) == 800
    assert max(found) < 2**63


@given(seed=st.integers(0, 2**63 - 1), number=st.integers(0, 2**63 - 1))
def test_streams_are_those_of_the_key(seed, number):
    """Both numbers are Philox's key, in this order."""
    expected = np.random.Generator(np.random.Philox(key=seed + (number << 64))).random(3)

    assert stream_of(seed, number).random(3).tolist() == expected.tolist()


def test_large_seeds_are_told_apart():
    """Beyond 2^63 two neighbouring seeds still differ: they are no floats on the way."""
    seeds = [2**63, 2**63 + 1, 2**64 - 2, 2**64 - 1]

    assert len({stream_of(seed, 0).random() for seed in seeds}) == 4


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_seeds_out_of_range_are_refused(seed):
    """Nothing wraps around."""
    with pytest.raises(OverflowError):
        stream_of(seed, 0)
