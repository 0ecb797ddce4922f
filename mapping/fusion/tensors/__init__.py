"""Fusion as tensor operations, for voxels that live on a GPU. They run on a CPU too, where the kernels are faster."""
