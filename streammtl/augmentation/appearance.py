"""Random appearance of whole batches, in few passes over the pixels: exposure, colour, gamma, blur and noise."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)


class AppearanceSettings(BaseModel):
    """How far appearance goes. A sample's views share most of it, as one camera does; a little differs by view."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gain: float = Field(0.35, description="standard deviation of log exposure", ge=0)
    view_gain: float = Field(0.08, description="the same from view to view", ge=0)
    tint: float = Field(0.08, description="standard deviation of log gain by channel: white balance", ge=0)
    view_tint: float = Field(0.02, description="the same from view to view", ge=0)
    saturation: tuple[float, float] = Field((0.4, 1.4), description="factor of colourfulness")
    gamma: tuple[float, float] = Field((0.75, 1.35), description="exponent of brightness")
    blur_share: float = Field(0.3, description="share of views that are softened", ge=0, le=1)
    noise: float = Field(0.03, description="largest standard deviation of noise, of full scale", ge=0)


def vary_appearance(images: Tensor, settings: AppearanceSettings, generator: torch.Generator) -> Tensor:
    """Images f32 [B,V,3,H,W] in [0,1] that look different and show the same. `generator` (a CPU one) decides all."""
    batch, views = images.shape[:2]

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(shape, generator=generator)

    log_gain = settings.gain * normal(batch, 1, 1) + settings.view_gain * normal(batch, views, 1)
    log_gain = log_gain + settings.tint * normal(batch, 1, 3) + settings.view_tint * normal(batch, views, 3)
    mix = _colour_mix(log_gain.exp(), uniform(*settings.saturation, batch, 1, 1, 1))  # [B,V,3,3]
    gamma = uniform(*settings.gamma, batch, 1, 1, 1, 1).to(images.device)
    soft = (torch.rand((batch, views), generator=generator) < settings.blur_share).nonzero().tolist()
    level = uniform(0, settings.noise, batch, 1, 1, 1, 1).to(images.device)
    changed = torch.einsum("bvij,bvjhw->bvihw", mix.to(images.device), images)
    changed = changed.clamp_(min=1e-4).pow_(gamma)
    for i, j in soft:
        changed[i, j] = F.avg_pool2d(changed[i, j], 3, 1, 1, count_include_pad=False)
    noise = torch.randn(images.shape, generator=generator).to(images.device)
    return changed.addcmul_(noise, level).clamp_(0, 1)


def _colour_mix(gain: Tensor, saturation: Tensor) -> Tensor:
    """[B,V,3,3]: towards grey by saturation, then the gain of each channel."""
    grey = torch.tensor(LUMA).expand(3, 3)
    mixed = saturation * torch.eye(3) + (1 - saturation) * grey
    return gain[..., None] * mixed
