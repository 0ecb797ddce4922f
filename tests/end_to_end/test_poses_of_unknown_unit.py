"""Poses right up to one factor, as structure from motion gives them, become metric by the recording's own depth."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from mapping.slam.lens import Lens
from mapping.slam.quality_model import QualityModel, SeenPoints
from mapping.store.reader import open_map
from tests.mapping.slam.conftest import BoxRoom, handheld_pose

UNIT = 2.5  # metres


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """An RGB-D recording folder of a box room, and a COLMAP model of it in units of 2.5 m."""
    folder, room = tmp_path_factory.mktemp("box"), BoxRoom()
    (folder / "rgb").mkdir()
    (folder / "depth").mkdir()
    camera = room.camera
    intrinsics = {"width": 320, "height": 240, "fx": camera.fx, "fy": camera.fy, "cx": camera.cx, "cy": camera.cy}
    (folder / "intrinsics.json").write_text(json.dumps(intrinsics))
    model = QualityModel(camera, np.zeros((0, 3)))
    u, v = (grid.ravel() for grid in np.meshgrid(np.arange(12, 310, 20), np.arange(12, 230, 20)))
    for k in range(40):
        T = handheld_pose(0.3 + k / 10)
        image, depth_m = room.render(T)
        cv2.imwrite(str(folder / "rgb" / f"{k:06d}.jpg"), image)
        cv2.imwrite(str(folder / "depth" / f"{k:06d}.png"), np.rint(1000 * depth_m).astype(np.uint16))
        z = depth_m[v, u].astype(np.float64)[:, None]
        xyz = (Lens(camera).rays(np.stack([u, v], axis=1).astype(float)) * z) @ T[:3, :3].T + T[:3, 3]
        ids = np.arange(len(u)) + len(model.points_xyz)
        model.points_xyz = np.concatenate([model.points_xyz, xyz / UNIT])
        model.T_world_cam[k] = np.vstack([np.hstack([T[:3, :3], T[:3, 3:] / UNIT]), T[3:]])
        model.seen[k] = SeenPoints(np.stack([u, v], axis=1).astype(float), ids)
    model.write(folder / "model", {k: f"{k:06d}.jpg" for k in range(40)})
    return folder


def test_sensor_depth_gives_the_scale_with_its_interval_and_provenance(recording, tmp_path, streammtl):
    out = tmp_path / "box.zarr"
    words = ("--poses", recording / "model", "--set", "run.surface=false", "--local", "--json")
    answer = streammtl("map", recording, "--out", out, *words)
    assert answer.code == 0, answer.err
    scale = answer.data["scale"]
    assert scale["status"] == "metric" and scale["method"] == "sensor depth"
    assert scale["interval"][0] <= scale["value"] <= scale["interval"][1] < 1.05 * scale["interval"][0]
    T = open_map(out).trajectory().T_world_cam
    true = np.array([handheld_pose(0.3 + k / 10) for k in range(40)])
    moved = np.linalg.norm(T[:, :3, 3] - T[0, :3, 3], axis=1)
    np.testing.assert_allclose(moved, np.linalg.norm(true[:, :3, 3] - true[0, :3, 3], axis=1), atol=0.01)
    low, high = scale["along_path"]
    assert 0.97 < low <= high < 1.03
