"""The stages of dvc.yaml: each reads its params, calls the library and writes its outs.

The library is imported from `src/` of this checkout, never from an installed copy: DVC decides by
the bytes of `src/` what is stale, so those bytes must be what runs.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
# One thread a process: Snakemake runs stages side by side, and two processes with one thread
# each finish sooner than two threads; sums of more threads have other last bits. Set before any
# numerical library starts its threads.
THREADS = 1
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, str(THREADS))
