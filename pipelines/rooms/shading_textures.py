"""All textures of a room in one array, each at all its sizes, looked up for many surface points at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from streammtl.data.rooms.scene import Material

LEVELS = 10
WHITE = np.full((1, 1, 3), 255, np.uint8)
# A sharper level than the footprint asks for: the camera's own softness comes later.
SHARPEN_LEVELS = 0.4


@dataclass(frozen=True)
class TextureAtlas:
    """`texels` i32 [n] holds r + 256 g + 65536 b; `places` i32 [3,T*LEVELS] offset, height, width of every level."""

    texels: torch.Tensor
    places: torch.Tensor

    @classmethod
    def of(cls, materials: list[Material]) -> tuple[TextureAtlas, np.ndarray]:
        """The atlas, and i64 [len(materials)] which texture each material has. Shared arrays are stored once."""
        index, which, texels, places, offset = {}, [], [], [], 0
        for material in materials:
            texture = WHITE if material.texture is None else material.texture
            if id(texture) not in index:
                index[id(texture)] = len(index)
                for level in _levels(texture):
                    texels.append(_packed(level))
                    places.append((offset, *level.shape[:2]))
                    offset += texels[-1].size
            which.append(index[id(texture)])
        packed = torch.from_numpy(np.concatenate(texels))
        return cls(packed, torch.tensor(places, dtype=torch.int32).t().contiguous()), np.array(which, np.int64)

    def look_up(
        self, texture: torch.Tensor, u: torch.Tensor, v: torch.Tensor, texels_wide: torch.Tensor
    ) -> torch.Tensor:
        """f32 [3,n] sRGB 0..1 at (u, v), from the level whose texels are as wide as the footprint.

        `texture` i64 [n]; `texels_wide` f32 [n] is the footprint in texels of the full size.
        """
        level = torch.log2(texels_wide.clamp_min_(1.0)).sub_(SHARPEN_LEVELS - 0.5).clamp_(0, LEVELS - 1).to(torch.int64)
        offset, height, width = self.places.index_select(1, texture * LEVELS + level)
        x = u * width - 0.5
        y = (1.0 - v) * height - 0.5
        x0, y0 = x.floor(), y.floor()
        fx, fy = x - x0, y - y0
        x0, y0 = x0.to(torch.int32).remainder_(width), y0.to(torch.int32).remainder_(height)
        x1, y1 = x0 + 1, y0 + 1
        x1 = torch.where(x1 == width, 0, x1)
        y1 = torch.where(y1 == height, 0, y1)
        top, bottom = offset + y0 * width, offset + y1 * width
        result = torch.zeros((3, len(u)))
        for index, weight in (
            (top + x0, (1 - fx) * (1 - fy)),
            (top + x1, fx * (1 - fy)),
            (bottom + x0, (1 - fx) * fy),
            (bottom + x1, fx * fy),
        ):
            packed = self.texels.index_select(0, index)
            result[0].addcmul_((packed & 255).float(), weight)
            result[1].addcmul_(((packed >> 8) & 255).float(), weight)
            result[2].addcmul_((packed >> 16).float(), weight)
        return result.mul_(1 / 255)


def _packed(texture: np.ndarray) -> np.ndarray:
    wide = texture.reshape(-1, 3).astype(np.int32)
    return wide[:, 0] | wide[:, 1] << 8 | wide[:, 2] << 16


def _levels(texture: np.ndarray) -> list[np.ndarray]:
    """The texture halved again and again, LEVELS in all; a side of one texel stays one."""
    levels = [texture]
    while len(levels) < LEVELS:
        big = levels[-1]
        high, wide = (max(side // 2, 1) for side in big.shape[:2])
        # A side of one texel is its own neighbour.
        down, right = min(1, big.shape[0] - 1), min(1, big.shape[1] - 1)
        upper, lower = (big[i : i + 2 * high : 2].astype(np.uint16) for i in (0, down))
        total = upper + lower
        levels.append(((total[:, : 2 * wide : 2] + total[:, right : right + 2 * wide : 2] + 2) >> 2).astype(np.uint8))
    return levels


def linear_of_srgb(srgb: torch.Tensor) -> torch.Tensor:
    """Linear light of sRGB 0..1 by a cubic, within 0.5 % of the range of the standard's curve."""
    return srgb * (srgb * (srgb * 0.305306011 + 0.682171111) + 0.012522878)


def srgb_of_linear(linear: torch.Tensor) -> torch.Tensor:
    """sRGB 0..1 of linear light, clipped to 0..1 (IEC 61966-2-1)."""
    linear = linear.clamp(0.0, 1.0)
    return torch.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear.clamp_min(1e-6) ** (1 / 2.4) - 0.055)
