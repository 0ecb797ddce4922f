"""Fusion as tensor operations, for voxels that live on a GPU. A CPU gives the same, more slowly than its own kernels."""
