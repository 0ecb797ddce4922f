"""Whether code may look at values."""

import torch
from torch import Tensor


def values_are_unknown(tensor: Tensor) -> bool:
    """Whether a tensor has shapes only: when operations are counted, or a graph for all values is exported."""
    exporting = torch.compiler.is_compiling() and not torch.compiler.is_dynamo_compiling()
    return tensor.is_meta or exporting


def all_are_there(mask: Tensor) -> bool:
    """Whether a mask is known to hold everywhere. Not on a GPU, which asking would stall, nor in a graph being made."""
    unknown = mask.device.type != "cpu" or torch.compiler.is_compiling()
    return not unknown and bool(mask.all())
