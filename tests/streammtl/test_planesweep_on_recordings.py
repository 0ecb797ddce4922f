import json

import cv2
import numpy as np
import pytest
import torch

from streammtl.camera import Camera
from streammtl.models.registry import build_model
from streammtl.models.settings import ModelSettings
from streammtl.views import ViewBatch


def read_poses(path) -> dict[float, np.ndarray]:
    """Time stamp in seconds to T_world_cam, of a TUM file."""
    poses = {}
    for row in np.loadtxt(path, comments="#"):
        x, y, z, w = row[4:] / np.linalg.norm(row[4:])
        T = np.eye(4)
        T[:3, 3] = row[1:4]
        T[:3, :3] = [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
        poses[round(row[0], 3)] = T
    return poses


def read_frames(folder, pose_file):
    """(index, T_world_cam) of all frames with a pose."""
    poses = read_poses(folder / pose_file)
    rows = [line.split(",") for line in (folder / "frames.csv").read_text().splitlines()[1:]]
    return [(int(r[0]), poses[round(float(r[1]), 3)]) for r in rows if round(float(r[1]), 3) in poses]


def earlier_views(frames, at: int, count: int = 2) -> list[int]:
    """Latest frames before `at` whose camera stood 10, then 18 cm away."""
    found, wanted = [], 0.10
    for earlier in range(at - 1, -1, -1):
        if np.linalg.norm(frames[at][1][:3, 3] - frames[earlier][1][:3, 3]) >= wanted:
            found.append(earlier)
            wanted += 0.08
            if len(found) == count:
                break
    return found


def make_batch(folder, frames, views, height: int, width: int) -> tuple[ViewBatch, np.ndarray]:
    intrinsics = json.loads((folder / "intrinsics.json").read_text())
    camera = Camera.pinhole(*(intrinsics[k] for k in ("width", "height", "fx", "fy", "cx", "cy"))).scaled(width, height)
    images = [cv2.imread(str(folder / "rgb" / f"{frames[v][0]:06d}.jpg"))[..., ::-1] for v in views]
    images = np.stack([cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA) for image in images])
    depth = cv2.imread(str(folder / "depth" / f"{frames[views[0]][0]:06d}.png"), cv2.IMREAD_UNCHANGED) / 1000.0
    batch = ViewBatch(
        images=torch.from_numpy(images).permute(0, 3, 1, 2)[None].float() / 255,
        K=torch.from_numpy(camera.K).float().expand(1, len(views), 3, 3),
        T_world_cam=torch.from_numpy(np.stack([frames[v][1] for v in views]))[None],
        view_mask=torch.ones(1, len(views), dtype=torch.bool),
        near_m=torch.tensor([0.5]),
        far_m=torch.tensor([8.0]),
    )
    return batch, cv2.resize(depth, (width, height), interpolation=cv2.INTER_NEAREST)


@pytest.mark.parametrize(
    ("name", "pose_file", "references", "size"),
    [
        ("kitchen_7scenes_seq01", "poses_sfm.txt", (40, 75, 110, 145), (240, 320)),
        ("office_hololens", "poses.txt", (40, 80, 120, 160), (224, 320)),
    ],
)
def test_confident_depth_agrees_with_the_sensor(recordings_data, name, pose_file, references, size):
    folder = recordings_data(name)
    frames = read_frames(folder, pose_file)
    model = build_model(ModelSettings(name="planesweep"))
    sure, unsure = [], []
    for reference in references:
        batch, truth = make_batch(folder, frames, [reference, *earlier_views(frames, reference)], *size)
        outputs = model.predict(batch)
        measured = (truth > 0.3) & (truth < 8)
        error = (np.abs(outputs.values["depth"][0, 0].numpy() - truth) / np.maximum(truth, 0.3))[measured]
        order = np.argsort(-outputs.confidence[0, 0].numpy()[measured], kind="stable")
        sure.append(error[order[: len(order) // 2]].mean())
        unsure.append(error[order[len(order) // 2 :]].mean())
    assert np.mean(sure) < 0.08
    assert np.mean(sure) < 0.6 * np.mean(unsure)
