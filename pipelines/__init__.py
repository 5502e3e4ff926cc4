"""Compositions of the stages in :mod:`stream`: the search loop, the daemon, replay, simulation, the command line."""

import os

# Before NumPy loads: OpenBLAS's own threads wait for each other by spinning. Beside the search's on two busy cores the
# filters of one detector took 16 s to make, without them 1 s. Whoever set a number keeps it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
