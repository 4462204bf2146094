"""Five persona and LLM papers on cross-domain recommendation, reproduced under one protocol."""

import os

# OpenMP threads that wait should sleep, not spin: on a machine that does anything else beside, spinning made training
# ten times slower. It must be set before torch is loaded; a value from outside wins.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"
