"""Random colours."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from streammtl.views import ViewBatch


@dataclass(frozen=True)
class JitterRange:
    """How far colours go; each of the four changes happens to half of the views."""

    brightness: float = 32 / 255  # added, up to this, either way
    gain: tuple[float, float] = (0.5, 1.5)  # the recipe's contrast: values times this
    saturation: tuple[float, float] = (0.5, 1.5)
    hue_deg: float = 36.0  # the recipe's 18 of OpenCV's 180 steps


def jitter_views(batch: ViewBatch, ranges: JitterRange, generator: torch.Generator) -> ViewBatch:
    """Brightness, gain (before or after the next two), saturation and hue, drawn for every view on its own.

    Neighbours in a video differ in exposure and white balance; matching has to bear it. Geometry is untouched. A view's
    next frame changes as the view does.
    """
    shape = (*batch.images.shape[:2], 1, 1)

    def draw(low: float, high: float, neutral: float) -> Tensor:
        values = low + (high - low) * torch.rand(shape, generator=generator)
        chosen = torch.rand(shape, generator=generator) < 0.5
        return torch.where(chosen, values, neutral).to(batch.images.device)

    added = draw(-ranges.brightness, ranges.brightness, 0.0)
    gain, saturation = draw(*ranges.gain, 1.0), draw(*ranges.saturation, 1.0)
    turn = draw(-ranges.hue_deg, ranges.hue_deg, 0.0) / 360
    first = (torch.rand(shape, generator=generator) < 0.5).to(batch.images.device)

    def changed(images: Tensor) -> Tensor:
        images = (images + added[:, :, None]).clamp(0, 1)
        images = (images * torch.where(first, gain, 1)[:, :, None]).clamp(0, 1)
        hue, satu, value = rgb_to_hsv(images)
        images = hsv_to_rgb((hue + turn) % 1, (satu * saturation).clamp(0, 1), value)
        return (images * torch.where(first, 1, gain)[:, :, None]).clamp(0, 1)

    following = None if batch.next_images is None else changed(batch.next_images)
    return replace(batch, images=changed(batch.images), next_images=following)


def rgb_to_hsv(rgb: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hue (turns, 0..1), saturation and value, each [...,H,W], of RGB [...,3,H,W] in 0..1."""
    red, green, blue = rgb.unbind(-3)
    value, largest = rgb.max(-3)
    spread = value - rgb.amin(-3)
    safe = spread.clamp(min=1e-12)
    candidates = torch.stack(((green - blue) / safe, (blue - red) / safe + 2, (red - green) / safe + 4), -3)
    hue = candidates.gather(-3, largest.unsqueeze(-3)).squeeze(-3) / 6 % 1
    return torch.where(spread > 0, hue, 0), spread / value.clamp(min=1e-12), value


def hsv_to_rgb(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """The inverse of `rgb_to_hsv`: RGB [...,3,H,W]."""

    def channel(offset: int) -> Tensor:
        k = (offset + 6 * hue) % 6
        return value - value * saturation * torch.minimum(k, 4 - k).clamp(0, 1)

    return torch.stack((channel(5), channel(3), channel(1)), -3)
