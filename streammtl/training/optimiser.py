"""AdamW with a group of parameters for each learning rate and decay."""

from __future__ import annotations

import torch
from torch import nn

from streammtl.training.settings import OptimiserSettings


def build_optimiser(network: nn.Module, settings: OptimiserSettings) -> torch.optim.AdamW:
    """AdamW over what learns. Each group keeps its full rate as "base_rate".

    The network's `encoder` and `cross_view` have rates of their own; the latter's may be ten-fold where the former is
    fine-tuned. Source: cross-view MTL (arXiv 2511.20646), 4.1, which has one group; the module from noise needs more.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        rate = settings.learning_rate * _factor(name, settings)
        decay = settings.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    described = [
        {"params": parameters, "lr": rate, "base_rate": rate, "weight_decay": decay}
        for (rate, decay), parameters in groups.items()
    ]
    return torch.optim.AdamW(described, betas=settings.betas, fused=True)


def set_rates(optimiser: torch.optim.Optimizer, factor: float) -> None:
    """Every group's rate is its own times `factor`."""
    for group in optimiser.param_groups:
        group["lr"] = group["base_rate"] * factor


def _factor(name: str, settings: OptimiserSettings) -> float:
    part = name.partition(".")[0]
    return {"encoder": settings.encoder_factor, "cross_view": settings.matching_factor}.get(part, 1.0)
