"""Turns linear light into the pictures of a hand-held camera: exposure, colour, blur, noise, tone curve, JPEG."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from pipelines.rooms.render_settings import SensorSettings
from pipelines.rooms.shading_textures import srgb_of_linear

LUMINANCE = torch.tensor([0.2126, 0.7152, 0.0722])
BLUR_TAPS = 7
# Exposure follows the scene with this share per frame.
ADAPTATION = 0.35


@dataclass(frozen=True)
class SensorDraw:
    """One clip's camera."""

    mid_grey: float
    exposure: float  # factor on the automatic exposure
    gains: torch.Tensor  # f32 [3] on red, green, blue
    colour_left: float
    contrast: float
    saturation: float
    vignetting: float
    shot_noise: float
    read_noise: float
    noise_grain: float
    softness_px: float
    sharpening: float
    shutter_s: float
    jpeg_quality: int | None

    @classmethod
    def of(cls, settings: SensorSettings, rng: np.random.Generator) -> SensorDraw:
        def within(limits: tuple[float, float]) -> float:
            return float(rng.uniform(*limits))

        def logarithmic(limits: tuple[float, float]) -> float:
            return float(np.exp(rng.uniform(*np.log(limits))))

        red, blue = np.exp(rng.normal(0.0, settings.white_balance_error, 2))
        return cls(
            mid_grey=within(settings.mid_grey),
            exposure=float(np.exp(rng.normal(0.0, settings.exposure_error))),
            gains=torch.tensor([red, 1.0, blue], dtype=torch.float32),
            colour_left=within(settings.light_colour_left),
            contrast=within(settings.contrast),
            saturation=within(settings.saturation),
            vignetting=within(settings.vignetting),
            shot_noise=logarithmic(settings.shot_noise),
            read_noise=logarithmic(settings.read_noise),
            noise_grain=within(settings.noise_grain),
            softness_px=within(settings.softness_px),
            sharpening=within(settings.sharpening),
            shutter_s=logarithmic(settings.shutter_s),
            jpeg_quality=int(rng.integers(*settings.jpeg_quality)) if rng.random() < settings.jpeg_share else None,
        )


class Sensor:
    """Takes the pictures of one clip in order; exposure and white balance adapt from frame to frame."""

    def __init__(self, draw: SensorDraw, size: tuple[int, int], rng: np.random.Generator) -> None:
        self._draw, self._size = draw, size
        self._noise = torch.Generator().manual_seed(int(rng.integers(2**62)))
        height, width = size
        y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
        self._falloff = 1.0 - draw.vignetting * (x * x + y * y) / 2
        self._grid = torch.stack([x, y], dim=-1)
        self._level: float | None = None
        self._tint: torch.Tensor | None = None

    def picture(self, linear: torch.Tensor, image_motion: torch.Tensor) -> np.ndarray:
        """u8 [H,W,3] sRGB of linear light f32 [3,H,W]; `image_motion` f32 [2,H,W] is in pixels per second."""
        draw = self._draw
        exposed = linear * self._gain(linear)[:, None, None]
        exposed = self._blurred(exposed.clamp_max_(4.0), image_motion) * self._falloff
        exposed = gaussian(exposed, draw.softness_px * self._size[1] / 256)
        shown = srgb_of_linear(exposed + self._grain(exposed))
        shown = _toned(shown, draw.contrast)
        grey = (shown * LUMINANCE[:, None, None]).sum(0)
        shown = grey + (shown - grey) * draw.saturation
        if draw.sharpening > 0:
            shown = shown + (shown - gaussian(shown, 0.9)) * draw.sharpening
        bytes_ = (shown.clamp_(0, 1) * 255).round_().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
        return bytes_ if draw.jpeg_quality is None else _jpeg(bytes_, draw.jpeg_quality)

    def _gain(self, linear: torch.Tensor) -> torch.Tensor:
        """f32 [3] factors of exposure and white balance."""
        small = linear.clamp_max(2.0)[:, ::2, ::2].numpy()
        means = small.mean(axis=(1, 2), dtype=np.float64) + 1e-4
        level = float(np.log(means @ LUMINANCE.double().numpy()))
        tint = torch.from_numpy(np.log(means / means[1]).clip(-0.7, 0.7).astype(np.float32))
        self._level = level if self._level is None else self._level + ADAPTATION * (level - self._level)
        self._tint = tint if self._tint is None else self._tint + ADAPTATION * (tint - self._tint)
        draw = self._draw
        neutral = torch.exp(-self._tint * (1.0 - draw.colour_left))
        return neutral * draw.gains * (draw.exposure * draw.mid_grey / np.exp(self._level))

    def _blurred(self, image: torch.Tensor, image_motion: torch.Tensor) -> torch.Tensor:
        """The mean over the open shutter, each pixel along its own motion."""
        path = image_motion * self._draw.shutter_s
        if path.abs().max() < 0.3:
            return image
        height, width = self._size
        step = torch.stack([path[0] * (2 / max(width - 1, 1)), path[1] * (2 / max(height - 1, 1))], dim=-1)
        total = torch.zeros_like(image)
        for tap in np.linspace(-0.5, 0.5, BLUR_TAPS).tolist():
            grid = (self._grid + step * tap)[None]
            total += F.grid_sample(image[None], grid, padding_mode="border", align_corners=True)[0]
        return total.div_(BLUR_TAPS)

    def _grain(self, exposed: torch.Tensor) -> torch.Tensor:
        draw = self._draw
        noise = torch.randn(exposed.shape, generator=self._noise)
        if draw.noise_grain > 0.25:
            noise = gaussian(noise, draw.noise_grain) * (1.0 + 2.2 * draw.noise_grain**2) ** 0.8
        return noise * (exposed * draw.shot_noise + draw.read_noise**2).sqrt_()


def gaussian(image: torch.Tensor, deviation_px: float) -> torch.Tensor:
    """f32 [C,H,W] blurred; taps reach two deviations, at least one pixel."""
    reach = max(1, round(2 * deviation_px))
    taps = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / max(deviation_px, 0.05)) ** 2)
    taps = (taps / taps.sum()).tolist()
    for dim in (1, 2):
        size = image.shape[dim]
        result = image * taps[reach]
        for offset in range(1, reach + 1):
            weight = taps[reach + offset]
            before = image.narrow(dim, 0, size - offset)
            after = image.narrow(dim, offset, size - offset)
            result.narrow(dim, offset, size - offset).add_(before, alpha=weight)
            result.narrow(dim, 0, size - offset).add_(after, alpha=weight)
            # Beyond the border the picture goes on as it ends.
            result.narrow(dim, 0, offset).add_(image.narrow(dim, 0, 1), alpha=weight)
            result.narrow(dim, size - offset, offset).add_(image.narrow(dim, size - 1, 1), alpha=weight)
        image = result
    return image


def _toned(shown: torch.Tensor, contrast: float) -> torch.Tensor:
    """An S-curve through 0, 0.5 and 1 whose slope in the middle is `contrast`."""
    smooth = shown * shown * (3.0 - 2.0 * shown)
    return shown + (smooth - shown) * (2.0 * (contrast - 1.0))


def _jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))
