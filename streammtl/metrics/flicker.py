"""How much what is said of a surface point changes from one frame to the next."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from streammtl.errors import ShapeError
from streammtl.geometry import backproject, project, relative_pose
from streammtl.metrics.registry import counted
from streammtl.tasks.registry import task_spec
from streammtl.tasks.spec import TaskKind

SAME_POINT = 0.02  # relative difference of depth up to which the next frame sees the same point


@dataclass(frozen=True)
class SeenFrame:
    """Predictions for a frame, and where its pixels truly are.

    values {task: [B,C,H,W]} as in TaskOutputs; depth [B,1,H,W] true depth in the unit of the poses, 0 where it is not
    known; K [B,3,3] of the H x W grid; T_world_cam f64 [B,4,4].
    """

    values: Mapping[str, Tensor]
    depth: Tensor
    K: Tensor
    T_world_cam: Tensor


class Flicker:
    """Mean change between consecutive frames, over the pixels whose point both frames see.

    A pixel of the first frame goes, by true depth and poses, to the nearest pixel of the second; it counts where the
    true depth there is that of the point within 2 %. Depth: percent by which the predicted share of the true depth
    changes, so that an error that stays is no flicker. Classes: percent of pixels that change theirs. Normals: degrees,
    in common axes. Anything else: mean absolute difference of the values.
    """

    def __init__(self) -> None:
        self._totals: dict[str, float] = {}
        self._pixels = 0

    def update(self, first: SeenFrame, second: SeenFrame) -> None:
        """Counts pairs of frames. Raises: ShapeError where a task is in one of them only."""
        if first.values.keys() != second.values.keys():
            raise ShapeError(f"frames have {', '.join(first.values)} and {', '.join(second.values)}; give the same.")
        kept, places = seen_again(first, second)
        self._pixels += int(kept.sum())
        for task, before in first.values.items():
            after = fetched(second.values[task], places)
            if task == "depth":
                before, after = before / first.depth, after / fetched(second.depth, places)
            elif task_spec(task).kind is TaskKind.UNIT_VECTOR:
                rotation = relative_pose(second.T_world_cam, first.T_world_cam)[:, :3, :3].to(before)
                before = torch.einsum("bij,bjhw->bihw", rotation, before)
            change = change_of(task, before, after).double()
            self._totals[task] = self._totals.get(task, 0.0) + change[kept].sum().item()

    def result(self) -> dict[str, float]:
        """{task: mean change}. Raises: DataError where no pixel was seen twice."""
        pixels = counted(self._pixels)
        return {task: total / pixels for task, total in self._totals.items()}


def change_of(task: str, before: Tensor, after: Tensor) -> Tensor:
    """Change [B,1,H,W] between values [B,C,H,W] of the same points; depth comes as its share of the true one."""
    kind = task_spec(task).kind
    if task == "depth":
        return 100 * (torch.maximum(before / after, after / before) - 1)
    if kind is TaskKind.CATEGORICAL:
        return 100.0 * (before.argmax(1, keepdim=True) != after.argmax(1, keepdim=True))
    if kind is TaskKind.UNIT_VECTOR:
        apart, together = (before - after).norm(dim=1, keepdim=True), (before + after).norm(dim=1, keepdim=True)
        return 2 * torch.atan2(apart, together) * (180 / math.pi)
    return (before - after).abs().mean(1, keepdim=True)


def seen_again(first: SeenFrame, second: SeenFrame) -> tuple[Tensor, Tensor]:
    """Pixels of the first frame that the second sees too, bool [B,1,H,W], and where: i64 [B,H·W], row by row."""
    height, width = first.depth.shape[-2:]
    T_second_first = relative_pose(second.T_world_cam, first.T_world_cam)
    points = backproject(first.depth.double(), first.K.double())
    points = T_second_first[:, :3, :3] @ points.flatten(2) + T_second_first[:, :3, 3:]
    pixels, z = project(points.unflatten(2, (height, width)), second.K.double())
    column, row = pixels.round().unbind(1)
    inside = (first.depth[:, 0] > 0) & (z[:, 0] > 0) & (column >= 0) & (column < width) & (row >= 0) & (row < height)
    places = torch.where(inside, row * width + column, 0).long().flatten(1)
    there = fetched(second.depth, places).double()
    kept = inside[:, None] & (there > 0) & ((there - z).abs() <= SAME_POINT * z)
    return kept, places


def fetched(maps: Tensor, places: Tensor) -> Tensor:
    """Maps [B,C,H,W] at pixels [B,H·W], as [B,C,H,W]."""
    index = places[:, None].expand(-1, maps.shape[1], -1)
    return maps.flatten(2).gather(2, index).view(maps.shape)
