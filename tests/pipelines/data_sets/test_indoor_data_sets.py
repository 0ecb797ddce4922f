"""Indoor data sets: what is read from their layouts is the truth they were written from."""

import numpy as np
import pytest
from PIL import Image

from pipelines.data_sets.nyuv2_mtl import NyuMtl
from pipelines.data_sets.nyuv2_video import NyuVideo
from pipelines.data_sets.pascal_context import PascalContext
from pipelines.data_sets.scannet import ScanNet
from pipelines.data_sets.seven_scenes import COLOUR, DEPTH, T_COLOUR_DEPTH, SevenScenes, registered
from streammtl.data.footage import Window
from streammtl.errors import ConfigError, DataError
from streammtl.tasks.spec import IGNORE
from tests.pipelines.data_sets.indoor_layouts import unit, write_nyuv2_mtl, write_nyuv2_video

WHOLE = Window(0, 0, 64, 96)


def read(footage, task, frame=0):
    """Values [H,W,C] and validity [H,W] of a whole frame."""
    values, valid = footage.label(task, frame, WHOLE)
    return values.permute(1, 2, 0).numpy(), valid.numpy()


def test_nyuv2_images_come_with_depth_classes_normals_and_boundaries(copies):
    data_set, clip = NyuMtl(copies("nyuv2-mtl")), copies.clip
    assert len(data_set) == 5
    for frame in range(5):
        footage = data_set.footage(frame)
        assert np.array_equal(footage.image(0, WHOLE), clip.images[frame])
        assert np.array_equal(read(footage, "depth")[0][..., 0], clip.depth_m[frame].astype(np.float32))
        classes, labelled = read(footage, "semantics")
        assert np.array_equal(classes[3:, :, 0], clip.labels[frame][3:].astype(int) - 1)
        assert (classes[:3] == IGNORE).all() and not labelled[:3].any() and labelled[3:].all()
        normals, known = read(footage, "normals")
        assert known.all() and np.abs(normals - unit(clip, frame)).max() < 0.02
        assert np.array_equal(read(footage, "boundaries")[0][..., 0], clip.boundaries[frame])


@pytest.mark.parametrize("axes", [(-1, -1, -1), (1, -1, -1), (1, 1, 1)])
def test_the_axes_of_nyuv2_normals_are_told_from_its_depth(copies, tmp_path, axes):
    write_nyuv2_mtl(tmp_path, copies.clip, axes)
    normals, _ = read(NyuMtl(tmp_path).footage(2), "normals")
    assert np.abs(normals - unit(copies.clip, 2)).max() < 0.02


def test_nyuv2_normals_that_do_not_belong_to_the_depth_are_refused(copies, tmp_path):
    root = copies.write("nyuv2-mtl", tmp_path / "nyu")
    for path in (root / "normals").glob("*.png"):
        Image.fromarray(np.full((64, 96, 3), (218, 218, 128), np.uint8)).save(path)
    with pytest.raises(DataError, match="contradict"):
        read(NyuMtl(root).footage(0), "normals")


def test_the_scale_of_a_colmap_model_comes_from_the_sensor(copies):
    footage, clip = NyuVideo(copies("nyuv2-video")).footage(0), copies.clip
    assert footage.references == [0, 1, 2, 3]  # the last frame has no pose
    T = footage.frames.T_world_cam[:4]
    assert np.abs(np.linalg.inv(T[0]) @ T - np.linalg.inv(clip.T_world_cam[0]) @ clip.T_world_cam[:4]).max() < 1e-3
    assert np.allclose(footage.frames.K, clip.K, atol=1e-4)
    depth, valid = read(footage, "depth", 1)
    assert valid.all() and np.abs(depth[..., 0] - clip.depth_m[1]).max() < 1e-3


def test_a_colmap_model_whose_points_have_no_sensor_depth_is_refused(copies, tmp_path):
    write_nyuv2_video(tmp_path, copies.clip)
    for path in tmp_path.glob("*/sync_depth_*.png"):
        Image.fromarray(np.zeros((64, 96), np.uint16)).save(path)
    with pytest.raises(DataError, match="scale of kitchen_0001a is unknown"):
        NyuVideo(tmp_path).footage(0)


def test_pascal_images_have_classes_parts_saliency_normals_and_boundaries(copies):
    data_set, clip = PascalContext(copies("pascal-context")), copies.clip
    for frame in range(5):
        footage = data_set.footage(frame)
        classes, labelled = read(footage, "pascal_semantics")
        assert np.array_equal(classes[1:, :, 0], clip.labels[frame][1:] % 21) and not labelled[0].any()
        parts, known = read(footage, "human_parts")
        assert known.all() if frame < 2.5 else not known.any()
        if frame < 2.5:
            assert [int(parts[r, c, 0]) for r, c in ((0, 0), (40, 10), (40, 90))] == [2, 5, 6]
        assert np.array_equal(read(footage, "saliency")[0][..., 0], np.arange(64)[:, None].repeat(96, 1) < 32)
        normals, seen = read(footage, "normals")
        assert seen[:, :48].all() and not seen[:, 48:].any()  # NYUv2 has monitors and no people
        assert np.abs(normals[:, :48] - unit(clip, frame)[:, :48]).max() < 0.02
        edges = read(footage, "boundaries")[0][..., 0]
        assert (edges[1:-1].sum(1) == 1).all() and set(np.flatnonzero(edges.any(0))) <= {47, 48}
        assert footage.label("depth", 0, WHOLE) is None and footage.coarse_depth(0) is None


def test_a_part_that_nobody_knows_is_named(copies, tmp_path):
    from scipy.io import loadmat, savemat

    root = copies.write("pascal-context", tmp_path / "pascal")
    path = root / "human_parts" / "2008_000000.mat"
    annotation = loadmat(path)["anno"]
    annotation[0][0][1][0][1][3][0][0][0] = "tail"
    savemat(path, {"anno": annotation})
    with pytest.raises(DataError, match="tail"):
        read(PascalContext(root).footage(0), "human_parts")


def test_scannet_is_read_on_the_pixels_of_its_depth_camera(copies):
    footage, clip = ScanNet(copies("scannet")).footage(0), copies.clip
    assert footage.references == [0, 2, 3, 4]
    assert np.array_equal(footage.frames.T_world_cam[2], clip.T_world_cam[2])
    for frame in (0, 3):
        assert np.abs(read(footage, "depth", frame)[0][..., 0] - clip.depth_m[frame]).max() < 1e-3
        classes, labelled = read(footage, "semantics", frame)
        inside = (slice(1, -1), slice(1, -1))
        assert np.array_equal(classes[..., 0][inside], clip.labels[frame].astype(int)[inside] - 1)
        assert labelled[inside].all()
        error = np.abs(footage.image(frame, WHOLE).astype(int) - clip.images[frame])[inside]
        assert np.median(error) <= 2 and error.mean() < 4  # JPEG


def test_seven_scenes_depth_and_poses_are_brought_to_the_colour_camera(copies):
    footage, clip = SevenScenes(copies("7-scenes")).footage(0), copies.clip
    T = footage.frames.T_world_cam
    assert np.allclose(T[2] @ T_COLOUR_DEPTH, clip.T_world_cam[2], atol=1e-6)
    assert np.allclose(footage.frames.K, COLOUR.scaled(96, 64).K, atol=1e-4)
    depth, valid = read(footage, "depth", 2)
    assert 0.5 < valid.mean() <= 1 and np.abs(depth[valid] - 3).max() < 4


def test_registered_depth_is_the_plane_that_the_depth_camera_saw():
    """A tilted plane stays that plane: points of the new depth, moved back, lie on it."""
    normal, offset = np.array([0.2, -0.1, 1.0]), 2.0
    height, width = 120, 160
    v, u = np.mgrid[:height, :width]
    rays = np.linalg.inv(DEPTH.scaled(width, height).K) @ np.stack((u.ravel(), v.ravel(), np.ones(u.size)))
    depth = (offset / (normal @ rays)).reshape(height, width)
    moved = registered(depth)
    v, u = np.nonzero(moved)
    back = np.linalg.inv(COLOUR.scaled(width, height).K) @ np.stack((u, v, np.ones(len(u)))) * moved[v, u]
    back = T_COLOUR_DEPTH[:3, :3].T @ (back - T_COLOUR_DEPTH[:3, 3:])
    assert np.abs(normal @ back - offset).max() < 0.01 and len(u) > 0.75 * moved.size


def test_a_split_and_a_task_that_do_not_exist_are_told(copies):
    with pytest.raises(ConfigError, match="train, val"):
        NyuMtl(copies("nyuv2-mtl"), "test")
    with pytest.raises(ConfigError, match="human_parts"):
        NyuMtl(copies("nyuv2-mtl"), tasks=("depth", "human_parts"))


def test_labels_of_another_size_than_the_image_are_told(copies, tmp_path):
    root = copies.write("nyuv2-mtl", tmp_path / "nyu")
    Image.fromarray(np.zeros((10, 10), np.uint8)).save(root / "segmentation" / "0001.png")
    with pytest.raises(DataError, match="10x10, the images are 64x96"):
        read(NyuMtl(root).footage(1), "semantics")
