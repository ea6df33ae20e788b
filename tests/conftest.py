"""Settings of all tests."""

import os

# Small products on several threads wait for each other, above all on a busy machine; set before
# PyTorch starts, and inherited by the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from hypothesis import settings

# How long an example takes says how busy the machine is.
settings.register_profile("traitleak", deadline=None)
settings.load_profile("traitleak")
