"""Albedo and shading: RMSE, SSIM and LMSE."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from streammtl.metrics.registry import MetricKind, check_shapes, counted, register_metric

SSIM_WINDOW, SSIM_SIGMA = 11, 1.5
SSIM_C1, SSIM_C2 = 0.01**2, 0.03**2
LMSE_WINDOW, LMSE_STEP = 20, 10


class IntrinsicErrors:
    """RMSE and SSIM after one least-squares factor per image and a clip to 0..1, and LMSE. Means over images.

    Values lie in 0..1. Images without valid pixels do not count. Source: StableMTL, table 8.
    """

    def __init__(self) -> None:
        self._sums = torch.zeros(3, dtype=torch.float64)
        self._images = 0

    def update(self, prediction: Tensor, target: Tensor, valid: Tensor) -> None:
        check_shapes(prediction, target, valid)
        for p, g, mask in zip(prediction.double(), target.double(), valid, strict=True):
            if not mask.any():
                continue
            p, g = torch.where(mask, p, 0), torch.where(mask, g, 0)
            fitted = (p * ((p * g).sum() / p.square().sum().clamp(min=1e-12))).clamp(0, 1)
            rmse = ((fitted - g).square().sum() / (mask.sum() * g.shape[0])).sqrt()
            errors = torch.stack((rmse, structural_similarity(fitted, g, mask), local_squared_error(p, g, mask)))
            self._sums += errors.cpu()
            self._images += 1

    def result(self) -> dict[str, float]:
        return dict(zip(("rmse", "ssim", "lmse"), (self._sums / counted(self._images)).tolist(), strict=True))


def structural_similarity(prediction: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Mean SSIM over channels and over windows that are valid throughout; 0 where there are none.

    Gaussian 11x11 window, sigma 1.5, no padding, range 1, weighted (not sample) covariance.
    Shapes: prediction, target [C,H,W] in 0..1; valid bool [1,H,W]. Source: Wang et al. 2004.
    """
    size = min(SSIM_WINDOW, *prediction.shape[-2:])
    at = torch.arange(size, dtype=prediction.dtype, device=prediction.device) - (size - 1) / 2
    kernel = torch.exp(-at.square() / (2 * SSIM_SIGMA**2))
    kernel = (kernel[:, None] * kernel[None]) / kernel.sum() ** 2

    def blurred(x: Tensor) -> Tensor:
        return F.conv2d(x[:, None], kernel[None, None])[:, 0]

    mean_p, mean_g = blurred(prediction), blurred(target)
    variance_p = blurred(prediction.square()) - mean_p.square()
    variance_g = blurred(target.square()) - mean_g.square()
    covariance = blurred(prediction * target) - mean_p * mean_g
    luminance = (2 * mean_p * mean_g + SSIM_C1) / (mean_p.square() + mean_g.square() + SSIM_C1)
    contrast = (2 * covariance + SSIM_C2) / (variance_p + variance_g + SSIM_C2)
    whole = F.max_pool2d((~valid).to(prediction.dtype), size, stride=1) == 0
    return (luminance * contrast * whole).sum() / (whole.sum() * prediction.shape[0]).clamp(min=1)


def local_squared_error(prediction: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """LMSE: squared error of 20x20 windows every 10 pixels, each with its best factor, by the energy of the target.

    A wrong brightness that varies slowly over the image costs little.
    Shapes: prediction, target [C,H,W] with 0 where not valid; valid bool [1,H,W]. Source: Grosse et al. 2009.
    """
    size = min(LMSE_WINDOW, *prediction.shape[-2:])
    p, g = (F.unfold(torch.where(valid, x, 0)[None], size, stride=LMSE_STEP)[0] for x in (prediction, target))
    factor = (p * g).sum(0) / p.square().sum(0).clamp(min=1e-12)
    return (g - factor * p).square().sum() / g.square().sum().clamp(min=1e-12)


register_metric("intrinsics", MetricKind(lambda spec: IntrinsicErrors(), headline="rmse", lower_is_better=True))
