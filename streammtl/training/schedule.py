"""How the learning rate goes over a training."""

from __future__ import annotations

import math

from streammtl.training.settings import OptimiserSettings


def rate_factor(step: int, total_steps: int, settings: OptimiserSettings) -> float:
    """Factor of the learning rate at a step counted from 0: a linear rise, then the schedule down to final_factor."""
    warmup = settings.warmup_steps
    if step < warmup:
        return (step + 1) / (warmup + 1)
    progress = min(1.0, (step - warmup) / max(1, total_steps - warmup))
    if settings.schedule == "constant":
        return 1.0
    if settings.schedule == "exponential":
        return settings.final_factor**progress
    fall = 0.5 * (1 + math.cos(math.pi * progress))
    if settings.schedule == "polynomial":
        fall = (1 - progress) ** settings.power
    return settings.final_factor + (1 - settings.final_factor) * fall
