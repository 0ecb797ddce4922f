"""Depth, colour and label evidence of posed frames become voxel blocks."""

import os

import numba

# Open3D brings a TBB that numba refuses, and numba's workqueue may not be entered from two Python threads.
if "NUMBA_THREADING_LAYER" not in os.environ:
    numba.config.THREADING_LAYER = "omp"
