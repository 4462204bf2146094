"""Five persona and LLM papers on cross-domain recommendation, reproduced under one protocol."""

import os

# OpenMP threads that wait should soon sleep: on a machine that does anything else beside, spinning for as long as the
# default does made training ten times slower, and not spinning at all costs half the speed of an idle machine. Both
# must be set before torch is loaded; values from outside win.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "5000")

__version__ = "0.1.0"
