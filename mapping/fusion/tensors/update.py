"""The voxel update: distances to what the pixels see, then averages of tsdf, weight and colour."""

from __future__ import annotations

import torch
from torch import Tensor

from mapping.fusion.settings import FusionSettings
from mapping.fusion.tensors.frame import Lens
from mapping.fusion.tensors.labels import collect_labels
from mapping.fusion.tensors.rounding import chance
from mapping.fusion.tensors.voxels import Voxels
from mapping.fusion.voxels import MOST, TSDF_ONE, units_of


def measure(
    origins: Tensor, offsets: Tensor, geometry: Tensor, lens: Lens, truncation_m: float
) -> tuple[Tensor, Tensor, Tensor]:
    """What the voxels of blocks see: distance f32 [C,512] m, pixel i32 [C,512], and which blocks they touch, bool [C].

    Shapes: origins f32 [C,3] and offsets f32 [3,512] as in `View`, geometry as in `Pixels`.
    The distance runs from the voxel to the depth of its pixel, along the optical axis; NaN or far behind where there is
    none. The pixel's slope carries depth to where the voxel falls.
    """
    camera = origins[:, :, None] + offsets
    depth = torch.where(camera[:, 2] > 0, camera[:, 2], torch.inf)  # behind the camera: farther than any depth
    place = lens.centre + camera[:, :2] / depth[:, None]
    place = torch.minimum(place.clamp(min=0), lens.last)
    cell = place.floor()
    along_u, along_v = (place - cell).unbind(1)
    pixel = (cell[:, 1] * (lens.rays.shape[2] + 2) + cell[:, 0]).int()
    seen, slope_u, slope_v = geometry[pixel].unbind(-1)
    distance = seen + slope_u * along_u + slope_v * along_v - depth
    return distance, pixel, (distance.abs() <= truncation_m).any(1)


def update(voxels: Voxels, distance: Tensor, seen: Tensor, settings: FusionSettings) -> Voxels:
    """The voxels of B blocks after what they see at `distance` f32 [B,512], of content `seen` i32 [B,512,3+m].

    Voxels within the truncation of a surface are averaged with it, those before it become freer. Values are rounded up
    or down with the probability of their fraction; the bits of distance and weight decide, so that the same input gives
    the same result. Rules and rounding are those of the kernel of the CPU.
    """
    truncation, units = settings.truncation_m, units_of(settings)
    concerned = distance >= -truncation  # not where distance is NaN
    arriving = torch.where(distance > truncation, seen[..., 1], seen[..., 0])
    total = (voxels.state & MOST) + torch.where(concerned, arriving, 0)
    share = torch.where(concerned, arriving, 0) / total.clamp(min=1)
    fraction = chance(distance.view(torch.int32) + total)

    goal = torch.where(concerned, (distance * (TSDF_ONE / truncation)).clamp(max=TSDF_ONE), 0.0)
    before = voxels.state >> 16
    tsdf = (before + (goal - before) * share + fraction).floor().int()
    weight = total.clamp(max=int(min(settings.max_weight / units.weight, MOST)))

    shifts = torch.arange(0, 30, 10, device=distance.device)[:, None]
    before = voxels.colour[:, None] >> shifts & 1023
    mixed = before + ((seen[..., 2][:, None] >> shifts & 1023) - before) * share[:, None] + fraction[:, None]
    red, green, blue = mixed.int().unbind(1)

    near = distance.abs() <= settings.label_band * truncation
    counters = collect_labels(voxels.label_ids, voxels.label_weights, seen[..., 3:], near, fraction)
    return Voxels(tsdf << 16 | weight, red | green << 10 | blue << 20, *counters)
