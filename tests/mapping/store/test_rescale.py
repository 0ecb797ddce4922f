"""A rescaled map has the same surface, in true lengths; the map it comes from stays as it is."""

import numpy as np
import pytest

from mapping.store import MapWriter, ScaleRecord, StoreSettings, open_map
from mapping.store.rescale_map import rescale_map
from mapping.store.verify import verify_map
from mapping.surface.map_mesh import surface_pieces
from streammtl.errors import StoreError
from streammtl.views import ScaleStatus
from tests.mapping.store.tiny_maps import commit_number, header

FAST = StoreSettings(durable=False)
BY_NETWORK = ScaleRecord(
    status=ScaleStatus.METRIC, value=0.8, method="a network's depth", interval=(0.7, 0.9), over_recording=1.25
)


def write(path, scale):
    with MapWriter.create(path, header(scale=scale), FAST) as writer:
        for n in range(1, 7):
            writer.commit(**commit_number(n) | {"header": header(n, scale=scale)})
        writer.write_trajectory()
        writer.write_surface(surface_pieces(open_map(path)))
    return path


def test_all_lengths_grow_and_nothing_else(tmp_path):
    path = write(tmp_path / "a.zarr", BY_NETWORK)
    rescale_map(path, tmp_path / "b.zarr", 1.1, FAST)
    a, b = open_map(path), open_map(tmp_path / "b.zarr")
    assert verify_map(tmp_path / "b.zarr").sound
    assert b.header.voxel_size_m == pytest.approx(1.1 * a.header.voxel_size_m)
    assert b.header.truncation_m == pytest.approx(1.1 * a.header.truncation_m)
    for was, now in zip(a.submaps(), b.submaps(), strict=True):
        for name, array in vars(was.blocks).items():
            np.testing.assert_array_equal(getattr(now.blocks, name), array)
        np.testing.assert_array_equal(now.T_world_submap[:3, :3], was.T_world_submap[:3, :3])
    T_a, T_b = a.trajectory().T_world_cam, b.trajectory().T_world_cam
    np.testing.assert_allclose(T_b[:, :3, 3], 1.1 * T_a[:, :3, 3])
    np.testing.assert_allclose(T_b[:, :3, :3], T_a[:, :3, :3])
    depth_a, depth_b = (reader.keyframe_columns(0, len(a), ("depth_m",))["depth_m"] for reader in (a, b))
    np.testing.assert_allclose(depth_b.astype(float), 1.1 * depth_a.astype(float), rtol=2e-3)
    assert a.keyframe_jpeg(1) == b.keyframe_jpeg(1)
    np.testing.assert_allclose(b.surface().vertices, 1.1 * a.surface().vertices, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(b.surface().faces, a.surface().faces)


def test_a_stated_factor_makes_metres_and_says_so(tmp_path):
    unknown = ScaleRecord(status=ScaleStatus.UP_TO_SCALE, method="none")
    scale = rescale_map(write(tmp_path / "a.zarr", unknown), tmp_path / "b.zarr", 0.5, FAST).scale
    assert scale.status is ScaleStatus.METRIC and scale.method == "stated: lengths times 0.5"
    assert scale.value is None and scale.interval is None and scale.over_recording is None
    frames = open_map(tmp_path / "b.zarr").submap(0).frames
    assert all(frame.scale_status is ScaleStatus.METRIC for frame in frames)


def test_without_a_factor_all_keyframes_decide_once(tmp_path):
    path = write(tmp_path / "a.zarr", BY_NETWORK)
    b = rescale_map(path, tmp_path / "b.zarr", settings=FAST)
    assert b.voxel_size_m == pytest.approx(1.25 * open_map(path).header.voxel_size_m)
    assert b.scale.value == pytest.approx(1.0) and b.scale.interval == pytest.approx((0.875, 1.125))
    assert b.scale.method == "a network's depth, over the whole recording" and b.scale.over_recording == 1.0
    assert b.provenance.model_extra["rescaled_by"] == 1.25


@pytest.mark.parametrize("factor", [0.0, -1.0, np.nan, np.inf])
def test_a_factor_that_is_none_is_refused(tmp_path, factor):
    with pytest.raises(StoreError, match="positive"):
        rescale_map(write(tmp_path / "a.zarr", BY_NETWORK), tmp_path / "b.zarr", factor, FAST)
    assert not (tmp_path / "b.zarr").exists()


def test_a_map_whose_keyframes_tell_nothing_asks_for_the_factor(tmp_path):
    path = write(tmp_path / "a.zarr", ScaleRecord(status=ScaleStatus.METRIC, method="poses are metric"))
    with pytest.raises(StoreError, match="--factor"):
        rescale_map(path, tmp_path / "b.zarr", settings=FAST)
