"""Losses of single tasks, by name, and their sum over tasks and views.

Every loss takes (prediction [N,C,H,W], target [N,Ct,H,W], valid bool [N,1,H,W]) and gives a mean over the valid pixels
of the whole batch. What a target holds where it is not valid does not matter, NaN included.
"""

from streammtl.losses import absolute, categorical, depth, sigmoid, unit_vectors  # noqa: F401  they register losses
from streammtl.losses.registry import loss_names, register_loss, task_loss

__all__ = ["loss_names", "register_loss", "task_loss"]
