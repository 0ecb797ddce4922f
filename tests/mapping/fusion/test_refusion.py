import numpy as np

from mapping.fusion.grid import VoxelGrid
from mapping.fusion.observation import DepthObservation
from mapping.fusion.precision import from_stored, to_stored
from mapping.fusion.settings import FusionSettings
from mapping.records import KeyframeRecord, Submap
from mapping.store.reader import open_map
from mapping.store.refuse_map import refuse_map
from mapping.store.writer import MapWriter
from streammtl.camera import Camera
from tests.mapping.fusion.fusion_scenes import pose, rough_observation, small_camera
from tests.mapping.store.tiny_maps import header

SETTINGS = FusionSettings(voxel_size_m=0.05, truncation_m=0.12, far_m=1.5)
POSES = [pose((0, 0, 0)), pose((-0.1, 0.05, 0.02), (0.3, 1, 0.2), 0.25)]


def keyframe(number: int, camera: Camera) -> KeyframeRecord:
    o = rough_observation(number, POSES[number], camera)
    return KeyframeRecord(
        frame=number,
        timestamp_s=float(number),
        submap=0,
        T_submap_cam=o.T_submap_cam,
        camera=camera,
        image=np.full((camera.height, camera.width, 3), 40 * number + 50, np.uint8),
        depth_m=np.nan_to_num(o.depth_m, nan=0, posinf=0).astype(np.float16).astype(np.float32),
        confidence=(np.rint(np.nan_to_num(o.confidence) * 255) / 255).astype(np.float32),
        label_ids=np.ascontiguousarray(o.label_ids[..., 0]),
    )


def test_a_submap_comes_out_the_same_from_the_keyframes_that_its_map_keeps(tmp_path):
    camera = small_camera()
    records = [keyframe(number, camera) for number in range(2)]
    grid = VoxelGrid(SETTINGS)
    for r in records:
        grid.integrate(
            DepthObservation(r.depth_m, r.image, camera, r.T_submap_cam, r.confidence, r.label_ids[..., None])
        )
    with MapWriter.create(tmp_path / "m.zarr", header()) as writer:
        writer.commit(submaps=[Submap(0, 0, np.eye(4), grid.blocks(), closed=True)], keyframes=records)
    refuse_map(tmp_path / "m.zarr", tmp_path / "again.zarr", SETTINGS)
    again, before = open_map(tmp_path / "again.zarr").submap(0).blocks, from_stored(to_stored(grid.blocks()))
    for name in ("index", "tsdf", "weight", "label_ids", "label_weights"):
        np.testing.assert_array_equal(getattr(again, name), getattr(before, name), err_msg=name)
    np.testing.assert_allclose(again.colour.astype(int), before.colour, atol=2)  # JPEG
    coarse = FusionSettings(voxel_size_m=0.1, far_m=1.5)
    refuse_map(tmp_path / "m.zarr", tmp_path / "coarse.zarr", coarse)
    fused_anew = open_map(tmp_path / "coarse.zarr")
    assert fused_anew.header.truncation_m == 0.2 and fused_anew.header.keyframes == 2
    assert 0 < len(fused_anew.submap(0).blocks) < len(before)
