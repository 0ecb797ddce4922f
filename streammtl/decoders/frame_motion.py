"""What moves between a frame and the next one: for tasks about two frames."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from streammtl.decoders.pyramid_decoder import conv_norm, resized
from streammtl.encoders.pyramid import FeaturePyramid
from streammtl.geometry import pixel_grid

MATCHING_STRIDE = 8
MATCHING_CHANNELS = 64


class FrameMotion(nn.Module):
    """Pyramids of a frame and the next one to matched motion [B,2,h,w] in image pixels and features [B,C,h,w] of both.

    The finest level of stride 8 or coarser is compared at all pairs of places; motion is the expected place under
    softmax of the products. The features are this frame's and the next one's, fetched from where the motion points.
    Source: global matching of GMFlow (arXiv 2111.13680), Eq. 2 and 3.
    """

    def __init__(self, channels: tuple[int, ...], strides: tuple[int, ...]) -> None:
        super().__init__()
        coarse = [i for i, stride in enumerate(strides) if stride >= MATCHING_STRIDE] or [len(strides) - 1]
        self.level = min(coarse, key=lambda i: strides[i])
        self.lateral = nn.Conv2d(channels[self.level], MATCHING_CHANNELS, 1)
        self.channels = 2 * MATCHING_CHANNELS

    def forward(self, now: FeaturePyramid, following: FeaturePyramid) -> tuple[Tensor, Tensor]:
        first, second = (self.lateral(pyramid.levels[self.level]) for pyramid in (now, following))
        height, width = first.shape[-2:]
        products = first.flatten(2).transpose(1, 2) @ second.flatten(2)  # [B,hw,hw]
        share = torch.softmax(products.float() * MATCHING_CHANNELS**-0.5, -1)
        places = pixel_grid(height, width, device=first.device)[:2]  # [2,hw]
        found = torch.einsum("bpq,cq->bcp", share, places).unflatten(2, (height, width))
        fetched = F.grid_sample(second.float(), _normalised(found), align_corners=True, padding_mode="border")
        stride = [size / side for size, side in zip(now.image_size[::-1], (width, height), strict=True)]
        motion = (found - places.unflatten(1, (height, width))) * found.new_tensor(stride).view(2, 1, 1)
        return motion, torch.cat((first, fetched.to(first.dtype)), 1)


class MotionHead(nn.Module):
    """Raw outputs [B,channels,h,w] of a task about two frames, from its features and what moved.

    The matched motion enters linearly beside the features; where outputs are motion in pixels it starts as the answer.
    """

    def __init__(self, width: int, channels: int, motion_channels: int, in_pixels: bool) -> None:
        super().__init__()
        self.mix = conv_norm(width + motion_channels, width)
        self.linear = nn.Conv2d(width, channels, 1)
        self.of_motion = nn.Conv2d(2, channels, 1, bias=False)
        with torch.no_grad():
            self.of_motion.weight.copy_(torch.eye(channels, 2)[..., None, None] * float(in_pixels))

    def forward(self, features: Tensor, motion: Tensor, of_both: Tensor) -> Tensor:
        size = tuple(features.shape[-2:])
        mixed = self.mix(torch.cat((features, resized(of_both, size)), 1))
        return self.linear(mixed) + self.of_motion(resized(motion, size))


def _normalised(places: Tensor) -> Tensor:
    """Pixels [B,2,h,w] as the -1..1 coordinates [B,h,w,2] of grid_sample."""
    height, width = places.shape[-2:]
    last = places.new_tensor((max(width - 1, 1), max(height - 1, 1)))
    return places.permute(0, 2, 3, 1) * (2.0 / last) - 1.0
