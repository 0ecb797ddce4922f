"""Whether code may look at values."""

import torch
from torch import Tensor


def values_are_unknown(tensor: Tensor) -> bool:
    """Whether a tensor has shapes only: when operations are counted, or a graph for all values is exported."""
    exporting = torch.compiler.is_compiling() and not torch.compiler.is_dynamo_compiling()
    return tensor.is_meta or exporting
