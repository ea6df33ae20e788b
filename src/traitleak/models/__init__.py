"""Language models: get one by name, render text for it, score, sample and adapt it.

Nothing is imported here, so that the names of models can be asked for without loading PyTorch.
"""

import os

# The libraries read these when they are imported, which the modules of this package do; whoever set
# them otherwise keeps that.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_UPDATE_DOWNLOAD_COUNTS", "0")

__all__: list[str] = []
