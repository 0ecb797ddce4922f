"""A take of a data set as footage: whole files are decoded once per sample, and windows cut out of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from streammtl.data.footage import Label, Window
from streammtl.errors import DataError

if TYPE_CHECKING:
    from pipelines.data_sets.data_set import DataSet, Take

# Values [H,W] or [H,W,C] and validity bool [H,W] of a whole image, in the conventions of ViewBatch.targets: metres,
# class indices with IGNORE, unit normals facing the camera in OpenCV axes, pixels.
Truth = tuple[np.ndarray, np.ndarray]


class FileFootage:
    """Frames of one take. Raises: DataError where no frame of it has a pose."""

    def __init__(self, data_set: DataSet, take: Take) -> None:
        self._set, self._take = data_set, take
        self.frames = data_set.geometry(take)
        posed = np.isfinite(self.frames.T_world_cam).all((1, 2))
        self.references = [int(i) for i in np.flatnonzero(posed) if take.references is None or i < take.references]
        if not self.references:
            raise DataError(f"{data_set.name}: no frame of {take.key} has a pose.")
        self._images: dict[int, np.ndarray] = {}
        self._truth: dict[tuple[str, int], Truth] = {}

    def image(self, frame: int, window: Window) -> np.ndarray:
        if frame not in self._images:
            self._images[frame] = self._set.image(self._take, self._take.frames[frame])
            self._check(self._images[frame], f"image {frame}")
        return np.ascontiguousarray(self._images[frame][window.pixels])

    def label(self, task: str, frame: int, window: Window) -> Label:
        if task not in self._set.tasks or (self._take.references is not None and frame >= self._take.references):
            return None
        values, valid = self._whole(task, frame)
        values = values if values.ndim == 3 else values[..., None]
        cut = np.ascontiguousarray(values[window.pixels].transpose(2, 0, 1))
        return torch.from_numpy(cut), torch.from_numpy(np.ascontiguousarray(valid[window.pixels]))

    def coarse_depth(self, frame: int) -> np.ndarray | None:
        if "depth" not in self._set.tasks:
            return None
        depth, valid = self._whole("depth", frame)
        return np.where(valid, depth, 0)[2::8, 2::8].astype(np.float32).ravel()

    def _whole(self, task: str, frame: int) -> Truth:
        if (task, frame) not in self._truth:
            values, valid = self._set.labels[task](self._take, self._take.frames[frame])
            self._check(values, f"{task} of frame {frame}")
            if task == "depth" and self._set.far_m is not None:
                valid = valid & (values <= self._set.far_m)
            known = valid if values.ndim == 2 else valid[..., None]
            kept = np.where(known, values, 255 if values.dtype == np.int64 else 0)
            self._truth[task, frame] = kept.astype(np.int64 if values.dtype == np.int64 else np.float32), valid
        return self._truth[task, frame]

    def _check(self, values: np.ndarray, what: str) -> None:
        if values.shape[:2] != self.frames.size:
            raise DataError(
                f"{self._set.name}: {what} of {self._take.key} is {values.shape[0]}x{values.shape[1]}, the images are "
                f"{self.frames.size[0]}x{self.frames.size[1]}; the files do not belong together."
            )
