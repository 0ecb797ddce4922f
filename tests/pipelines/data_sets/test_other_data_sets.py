"""Synthetic, street and scanned data sets: what is read from their layouts is the truth they were written from."""

import numpy as np
import pytest

from pipelines.data_sets.cityscapes import Cityscapes
from pipelines.data_sets.diode import Diode
from pipelines.data_sets.flyingthings3d import FlyingThings
from pipelines.data_sets.hypersim import Hypersim, turned_pinhole
from pipelines.data_sets.intrinsic_images import brightness, tone_mapped, tone_scale
from pipelines.data_sets.kitti_flow import KittiFlow
from pipelines.data_sets.labels import normals_of_depth
from pipelines.data_sets.mid_intrinsics import MidIntrinsics
from pipelines.data_sets.virtual_kitti import VirtualKitti
from streammtl.data.footage import Window
from streammtl.errors import DataError
from tests.pipelines.data_sets.indoor_layouts import unit
from tests.pipelines.data_sets.other_layouts import TILT, motion, write_hypersim

WHOLE = Window(0, 0, 64, 96)


def read(footage, task, frame=0):
    values, valid = footage.label(task, frame, WHOLE)
    return values.permute(1, 2, 0).numpy(), valid.numpy()


def test_cityscapes_depth_is_baseline_times_focal_length_by_disparity(copies):
    footage, clip = Cityscapes(copies("cityscapes"), "val").footage(2), copies.clip
    depth, known = read(footage, "depth")
    assert not known[:2].any() and known[2:].all()
    assert np.abs(depth[2:, :, 0] - clip.depth_m[2][2:]).max() < 0.01
    assert footage.frames.K[0].tolist() == [1000, 0, 47.5]


def test_cityscapes_labels_become_the_classes_of_the_benchmark_and_those_shared_with_virtual_kitti(copies):
    footage = Cityscapes(copies("cityscapes")).footage(0)
    for task, expected in (("cityscapes_semantics", [0, 255, 15]), ("driving_semantics", [0, 255, 7])):
        classes, known = read(footage, task)
        assert np.array_equal(classes[..., 0].ravel()[:3], expected) and known.ravel()[:3].tolist() == [
            True,
            False,
            True,
        ]


@pytest.mark.parametrize("tilt", [np.eye(3), TILT], ids=["straight", "tilted"])
def test_hypersim_distances_become_depth_and_a_tilted_plane_a_camera_that_looks_elsewhere(copies, tmp_path, tilt):
    write_hypersim(tmp_path, copies.clip, tilt)
    footage, clip = Hypersim(tmp_path).footage(0), copies.clip
    assert footage.references == [0, 1, 2, 3]
    assert np.allclose(footage.frames.K, clip.K, atol=1e-3)
    assert np.allclose(footage.frames.T_world_cam, clip.T_world_cam[:4], atol=1e-6)
    depth, known = read(footage, "depth", 1)
    assert not known[0].any() and known[1:].all() and np.abs(depth[1:, :, 0] - clip.depth_m[1][1:]).max() < 1e-3
    normals, seen = read(footage, "normals", 1)
    assert seen.all() and np.abs(normals - unit(clip, 1)).max() < 0.02
    classes, labelled = read(footage, "semantics", 1)
    assert np.array_equal(classes[:, 3:, 0], clip.labels[1][:, 3:].astype(int) - 1)
    assert not labelled[:, :3].any() and labelled[:, 3:].all()


def test_a_pinhole_without_tilt_is_not_turned():
    M = np.diag([np.tan(0.5), np.tan(0.5) * 0.75, -1.0])
    K, R = turned_pinhole(M, (768, 1024))
    assert np.allclose(R, np.eye(3), atol=1e-12)
    assert np.allclose(K, [[512 / np.tan(0.5), 0, 511.5], [0, 512 / np.tan(0.5), 383.5], [0, 0, 1]])


def test_hypersim_shows_images_as_its_authors_do_and_takes_albedo_out(copies):
    footage, clip = Hypersim(copies("hypersim")).footage(0), copies.clip
    linear = (clip.images[0] / 255.0) ** 2.2
    inside = np.arange(64)[:, None].repeat(96, 1) > 0
    image = footage.image(0, WHOLE)
    assert np.percentile(brightness((image[inside] / 255.0) ** 2.2), 90) == pytest.approx(0.8**2.2, rel=0.03)
    assert np.abs(image - tone_mapped(linear, inside) * 255).max() < 2
    albedo, known = read(footage, "albedo")
    assert np.allclose(albedo[inside], tone_scale(linear, inside) * 0.25, atol=0.01)
    shading, lit = read(footage, "shading")
    assert np.abs(shading[..., 0] - brightness(np.clip(linear / 0.25, 0, 1)))[inside].max() < 5e-3
    assert np.array_equal(known, inside) and np.array_equal(lit, inside)


def test_a_hypersim_scene_without_camera_parameters_is_named(copies, tmp_path):
    root = copies.write("hypersim", tmp_path / "hypersim")
    table = root / "analysis" / "metadata_camera_parameters.csv"
    table.write_text(table.read_text().replace("ai_001_001", "ai_009_009"))
    with pytest.raises(DataError, match="no scene ai_001_001"):
        Hypersim(root).footage(0)


def test_an_image_is_albedo_times_shading(copies):
    data_set = MidIntrinsics(copies("mid-intrinsics"), "test")
    assert len(data_set) == 4
    for index in range(2):  # the second is twice as bright; exposure is taken out
        footage, linear = data_set.footage(index), (copies.clip.images[0] / 255.0) ** 2.2
        albedo, known = read(footage, "albedo")
        assert not known[0].any() and (albedo[1:] == 0.5).all()
        shading, _ = read(footage, "shading")
        scale = tone_scale(linear, np.ones((64, 96), bool))
        expected = brightness(np.clip(np.clip(scale * linear, 0, 1) / 0.5, 0, 1))
        assert np.abs(shading[1:, :, 0] - expected[1:]).max() < 1e-4


def test_diode_depth_is_masked_and_its_normals_turned(copies):
    footage, clip = Diode(copies("diode"), "val").footage(0), copies.clip
    depth, known = read(footage, "depth")
    assert not known[:5].any() and known[5:].all()
    frame = next(i for i in range(5) if np.array_equal(depth[5:, :, 0], clip.depth_m[i][5:].astype(np.float32)))
    normals, seen = read(footage, "normals")
    assert not seen[-1].any() and np.abs(normals[:-1] - unit(clip, frame)[:-1]).max() < 1e-3


def test_virtual_kitti_is_in_centimetres_and_world_to_camera(copies):
    data_set, clip = VirtualKitti(copies("virtual-kitti-2")), copies.clip
    assert [take.key for take in data_set.takes] == ["Scene01/fog/1"]
    assert VirtualKitti(copies("virtual-kitti-2"), "val").takes[0].key == "Scene20/fog/1"
    footage = data_set.footage(0)
    assert np.allclose(footage.frames.T_world_cam, clip.T_world_cam, atol=1e-6)
    assert np.allclose(footage.frames.K, clip.K)
    depth, known = read(footage, "depth", 3)
    assert not known[0].any() and np.abs(depth[1:, :, 0] - clip.depth_m[3][1:]).max() < 0.006
    classes, labelled = read(footage, "driving_semantics")
    assert (classes[0] == 6).all() and (classes[1:, :48] == 7).all() and not labelled[1:, 48:].any()


def test_virtual_kitti_motion_is_that_of_the_scene_and_the_last_frame_has_none(copies):
    footage, clip = VirtualKitti(copies("virtual-kitti-2")).footage(0), copies.clip
    flow, moved = motion(clip, 2)
    inside = np.abs(flow / [95, 63]).max(-1) < 1
    read_flow, known = read(footage, "optical_flow", 2)
    assert not known[0].any() and known[1:].all()
    assert np.abs(read_flow - flow)[known & inside].max() < 0.01
    read_motion, seen = read(footage, "scene_flow", 2)
    assert np.abs(read_motion - moved)[seen].max() < 1e-3 and seen[1:].all()
    assert not read(footage, "optical_flow", 4)[1].any() and not read(footage, "scene_flow", 4)[1].any()


def test_kitti_motion_comes_from_two_disparities_and_flow(copies):
    data_set, clip = KittiFlow(copies("kitti-flow")), copies.clip
    assert len(data_set) == 2
    footage = data_set.footage(1)
    assert footage.references == [0] and np.array_equal(footage.image(1, WHOLE), clip.images[2])
    flow, moved = motion(clip, 1)
    depth, known = read(footage, "depth")
    assert not known[:, 0].any() and np.abs(depth[..., 0] - clip.depth_m[1])[known].max() < 0.01
    read_flow, valid = read(footage, "optical_flow")
    assert np.abs(read_flow - flow)[valid].max() < 0.01 and not valid[2].any()
    read_motion, seen = read(footage, "scene_flow")
    assert np.abs(read_motion - moved)[seen].max() < 0.02 and np.array_equal(seen, known & valid)


def test_flying_things_motion_is_in_units_of_the_stereo_baseline(copies):
    data_set, clip = FlyingThings(copies("flyingthings3d")), copies.clip
    assert [take.frames for take in data_set.takes] == [(3, 4)]
    footage = data_set.footage(0)
    flow, known = read(footage, "optical_flow")
    assert not known[0, 0] and (flow[1:] == (1.5, -2.0)).all()
    moved, seen = read(footage, "scene_flow")
    assert np.allclose(moved[seen][:, 2], 0.25, atol=1e-3)
    K, depth = footage.frames.K.astype(float), clip.depth_m[0].astype(float)
    u = np.arange(96)[None] - K[0, 2]
    expected = ((u + 1.5) * (depth + 0.25) - u * depth) / K[0, 0]
    assert np.abs(moved[..., 0] - expected)[seen].max() < 1e-3


def test_normals_of_exact_depth_are_those_of_the_surfaces_and_stop_at_their_edges(copies):
    clip = copies.clip
    depth = clip.depth_m[0].astype(np.float32)
    normals, smooth = normals_of_depth(depth, depth > 0, clip.K)
    assert 0.6 < smooth.mean() < 1
    cosine = (normals * unit(clip, 0)).sum(-1)[smooth]
    assert np.median(cosine) > 0.99 and np.percentile(cosine, 5) > 0.9
