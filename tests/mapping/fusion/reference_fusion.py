"""Fusion written slowly and plainly: every voxel of a box, one by one, in float64. The fast kernels must agree."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from mapping.fusion.observation import DepthObservation
from mapping.fusion.settings import FusionSettings
from mapping.fusion.voxels import COLOUR_ONE, LABEL_MOST, TSDF_ONE, units_of
from mapping.records import BLOCK_SIZE


class ReferenceGrid:
    """Holds voxels in a dictionary: integer voxel coordinates -> [tsdf, weight, colour [3], {label: evidence}]."""

    def __init__(self, settings: FusionSettings) -> None:
        self.settings = settings
        self.voxels: dict[tuple[int, int, int], list] = {}

    def integrate(self, observation: DepthObservation, low: np.ndarray, high: np.ndarray) -> None:
        """Tries every voxel with low <= coordinate < high, whether or not anything is near; blocks must be whole."""
        s, camera = self.settings, observation.camera
        free, touched = [], set()
        T_cam_grid = np.linalg.inv(observation.T_submap_cam)
        for voxel in itertools.product(*(range(a, b) for a, b in zip(low, high, strict=True))):
            x, y, z = T_cam_grid[:3, :3] @ (np.array(voxel) * s.voxel_size_m) + T_cam_grid[:3, 3]
            if z <= 0:
                continue
            u, v = camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy
            column, row = int(np.floor(u + 0.5)), int(np.floor(v + 0.5))
            if not (0 <= column < camera.width and 0 <= row < camera.height):
                continue
            weight, slope_u, slope_v = pixel_weight(observation, s, row, column)
            if weight == 0:
                continue
            weight = max(whole(weight, s), units_of(s).weight)
            distance = observation.depth_m[row, column] + slope_u * (u - column) + slope_v * (v - row) - z
            block = tuple(c // BLOCK_SIZE for c in voxel)
            if abs(distance) <= s.truncation_m:
                touched.add(block)
                self._update(voxel, distance, weight, observation, row, column)
            elif distance > 0:
                free.append((block, voxel, distance, whole(weight * s.free_space_weight, s), observation, row, column))
        for block, *update in free:
            if block in touched and s.free_space_weight > 0:
                self._update(*update)

    def _update(self, voxel, distance, weight, observation, row, column) -> None:
        s = self.settings
        state = self.voxels.setdefault(voxel, [0.0, 0.0, np.zeros(3), {}])
        tsdf, old, colour, labels = state
        state[0] = (old * tsdf + weight * min(distance / s.truncation_m, 1)) / (old + weight)
        state[2] = (old * colour + weight * observation.image[row, column]) / (old + weight)
        state[1] = min(old + weight, s.max_weight)
        if observation.label_ids is None or abs(distance) > s.label_band * s.truncation_m:
            return
        for m, label in enumerate(observation.label_ids[row, column]):
            probabilities = observation.label_probabilities
            probability = 1.0 if probabilities is None else probabilities[row, column, m]
            if label and probability > 0:
                add_label(labels, int(label), weight * probability, s.labels_per_voxel, LABEL_MOST * units_of(s).label)


def whole(weight: float, s: FusionSettings) -> float:
    unit = units_of(s).weight
    return np.floor(weight / unit + 0.5) * unit


def add_label(labels: dict[int, float], label: int, evidence: float, k: int, limit: float) -> None:
    """Misra and Gries, weighted, over a dictionary of at most k counters."""
    evidence = min(evidence, limit)
    if label not in labels and len(labels) == k:
        paid = min(evidence, *labels.values())
        evidence -= paid
        for other in list(labels):
            labels[other] -= paid
            if labels[other] <= 0:
                del labels[other]
    if evidence > 0:
        labels[label] = labels.get(label, 0.0) + evidence
        if labels[label] > limit:
            shrink = limit / labels[label]
            for other in labels:
                labels[other] *= shrink


def pixel_weight(o: DepthObservation, s: FusionSettings, row: int, column: int) -> tuple[float, float, float]:
    """Weight of a pixel, and the slope of depth there along u and v in metres per pixel."""
    depth = o.depth_m.astype(np.float64)
    z = depth[row, column]
    if not (np.isfinite(z) and s.near_m <= z <= s.far_m):
        return 0.0, 0.0, 0.0
    trust = 1.0
    if o.confidence is not None:
        confidence = o.confidence[row, column]
        trust *= confidence if confidence >= s.min_confidence else 0.0
    slope_u = slope(depth[row, :], column, s.truncation_m / 2)
    slope_v = slope(depth[:, column], row, s.truncation_m / 2)
    ray = np.array([(column - o.camera.cx) / o.camera.fx, (row - o.camera.cy) / o.camera.fy, 1.0])
    if slope_u is None or slope_v is None:
        cosine = s.cosine_floor
    else:
        along_u = slope_u * ray + z * np.array([1 / o.camera.fx, 0, 0])
        along_v = slope_v * ray + z * np.array([0, 1 / o.camera.fy, 0])
        normal = np.cross(along_u, along_v)
        cosine = normal @ ray / np.linalg.norm(normal) / np.linalg.norm(ray)
    weight = min(trust * max(cosine, s.cosine_floor) / z**2, s.max_pixel_weight) if trust > 0 else 0.0
    return weight, slope_u or 0.0, slope_v or 0.0


def slope(line: np.ndarray, i: int, step: float) -> float | None:
    differences = []
    for j in (i - 1, i + 1):
        if 0 <= j < len(line) and np.isfinite(line[j]) and line[j] > 0 and abs(line[j] - line[i]) < step:
            differences.append((line[j] - line[i]) * (j - i))
    return float(np.mean(differences)) if differences else None


def voxels_of(blocks) -> dict[tuple[int, int, int], list]:
    """Blocks in the form of ReferenceGrid.voxels, voxels without weight left out."""
    voxels = {}
    for m, x, y, z in np.argwhere(blocks.weight > 0):
        place = (m, x, y, z)
        labels = {
            int(i): float(w) for i, w in zip(blocks.label_ids[place], blocks.label_weights[place], strict=True) if i
        }
        coordinates = tuple(int(c) for c in blocks.index[m].astype(int) * BLOCK_SIZE + (x, y, z))
        voxels[coordinates] = [float(blocks.tsdf[place]), float(blocks.weight[place]), blocks.colour[place], labels]
    return voxels


def assert_agrees(blocks, reference: ReferenceGrid, frames: int) -> None:
    """Blocks after so many frames are the reference's, voxel by voxel; each update rounds by less than a unit."""
    fast, units = voxels_of(blocks), units_of(reference.settings)
    assert fast.keys() == reference.voxels.keys()
    for coordinates, (tsdf, weight, colour, labels) in reference.voxels.items():
        ours = fast[coordinates]
        assert ours[0] == pytest.approx(tsdf, abs=frames / TSDF_ONE)
        assert ours[1] == pytest.approx(weight, abs=1.01 * frames * units.weight)
        np.testing.assert_allclose(ours[2], colour, atol=frames / COLOUR_ONE + 0.5)
        for label in ours[3].keys() | labels.keys():
            assert ours[3].get(label, 0) == pytest.approx(labels.get(label, 0), abs=4 * frames * units.label)
