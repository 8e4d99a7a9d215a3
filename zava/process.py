"""Settings of a process of this harness: it takes no processor time for what it has no use for."""

from __future__ import annotations

import atexit
import gc
import os


def spare_processor_time() -> None:
    """Start no threads of BLAS, and do not look for garbage as the process ends. Call it before NumPy is imported.

    NumPy and SciPy each come with OpenBLAS, whose threads wait for work by turning in a loop: a quarter of the time of
    a short command, and nothing here asks BLAS. A number of threads that the user chose stays.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    atexit.register(gc.freeze)
