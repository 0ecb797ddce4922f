"""Depth, colour and label evidence of posed frames become voxel blocks."""

import streammtl.kernel_threads  # noqa: F401  which threads: before any of them starts
