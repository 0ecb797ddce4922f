"""Cross-entropy over classes."""

import torch.nn.functional as F
from torch import Tensor

from streammtl.losses.masking import known, valid_mean
from streammtl.losses.registry import register_loss
from streammtl.tasks.spec import IGNORE


@register_loss("cross_entropy", takes_logits=True)
def cross_entropy(logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Mean of -log p(class) over labelled pixels.

    Shapes: logits [N,C,H,W]; target [N,1,H,W] class index 0..C-1; index 255 counts as not valid.
    """
    valid = valid & (target != IGNORE)
    per_pixel = F.cross_entropy(logits, known(target, valid)[:, 0].long(), reduction="none")
    return valid_mean(per_pixel[:, None], valid)
