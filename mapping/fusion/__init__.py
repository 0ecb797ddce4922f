"""Depth, colour and label evidence of posed frames become voxel blocks."""

import os

import numba

# Threads that wait must sleep: spinning ones keep the core from the process they wait for, which costs 20 ms a frame on
# a busy machine. OpenMP reads this when it is loaded, which numba does at its first parallel loop.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Open3D brings a TBB that numba refuses, and numba's workqueue may not be entered from two Python threads.
if "NUMBA_THREADING_LAYER" not in os.environ:
    numba.config.THREADING_LAYER = "omp"
