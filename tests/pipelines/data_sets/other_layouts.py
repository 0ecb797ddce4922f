"""Tiny copies of synthetic, street and scanned data sets, of a room whose truth is known exactly."""

import csv
import json

import cv2
import h5py
import numpy as np
import OpenEXR

from streammtl.data.clip import Clip
from tests.pipelines.data_sets.indoor_layouts import unit, write_lines, write_picture

GL = np.diag([1.0, -1.0, -1.0])
UNIT_M = 0.01  # Hypersim: metres per unit of its assets
TILT = np.array([[1, 0, 0], [0, np.cos(0.2), -np.sin(0.2)], [0, np.sin(0.2), np.cos(0.2)]])


def write_channels16(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.ascontiguousarray(values.astype(np.uint16)[..., ::-1]))


def write_hdf5(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.create_dataset("dataset", data=values, compression="gzip")


def write_rows(path, columns, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(columns)
        table.writerows(rows)


def motion(clip: Clip, frame):
    """Flow f64 [H,W,2] and scene flow f64 [H,W,3] of a still scene to the next frame, from exact depth."""
    depth = clip.depth_m[frame].astype(np.float64)
    v, u = np.indices(depth.shape)
    K = clip.K.astype(np.float64)
    points = np.stack((u, v, np.ones_like(u)), -1) @ np.linalg.inv(K).T * depth[..., None]
    T_next_now = np.linalg.inv(clip.T_world_cam[frame + 1]) @ clip.T_world_cam[frame]
    after = points @ T_next_now[:3, :3].T + T_next_now[:3, 3]
    seen = after @ K.T
    return seen[..., :2] / seen[..., 2:] - np.stack((u, v), -1), after - points


def write_cityscapes(root, clip: Clip):
    """Labels alternate between road, a lane that does not count (9) and bus, in columns."""
    for split in ("train", "val"):
        for frame in range(len(clip.images)):
            stem = f"aachen/aachen_{frame:06}_000019"
            write_picture(root / "leftImg8bit" / split / f"{stem}_leftImg8bit.png", clip.images[frame])
            ids = np.resize(np.array([7, 9, 28], np.uint8), clip.labels[frame].shape)
            write_picture(root / "gtFine" / split / f"{stem}_gtFine_labelIds.png", ids)
            depth = clip.depth_m[frame].astype(np.float64)
            disparity = np.round(0.2 * 1000 / depth * 256 + 1).astype(np.uint16)
            disparity[0], disparity[1] = 0, 1
            write_picture(root / "disparity" / split / f"{stem}_disparity.png", disparity)
            inside = {"fx": 1000.0, "fy": 1000.0, "u0": 47.5, "v0": 31.5}
            write_lines(
                root / "camera" / split / f"{stem}_camera.json",
                [json.dumps({"extrinsic": {"baseline": 0.2}, "intrinsic": inside})],
            )


def write_hypersim(root, clip: Clip, R_stored_true=TILT):
    """The stored camera looks aside of where its image does: a tilted image plane. The last frame was not released."""
    scene, camera = "ai_001_001", "cam_00"
    folder, (height, width) = root / "scenes" / scene, clip.depth_m.shape[1:]
    uv_from_pixel = np.array([[2 / width, 0, 1 / width - 1], [0, -2 / height, 1 - 1 / height], [0, 0, 1]])
    rays_from_pixel = R_stored_true @ np.linalg.inv(clip.K.astype(np.float64))
    M = GL @ rays_from_pixel @ np.linalg.inv(uv_from_pixel)
    names = [f"M_cam_from_uv_{row}{column}" for row in range(3) for column in range(3)]
    write_rows(
        root / "analysis" / "metadata_camera_parameters.csv",
        ["scene_name", "other", *names],
        [[scene, 1, *M.ravel()], ["ai_002_002", 1, *[""] * 9]],
    )
    columns = ["scene_name", "camera_name", "frame_id", "included_in_public_release", "split_partition_name"]
    frames = range(len(clip.images))
    rows = [[scene, camera, i, i < len(frames) - 1, split] for split in ("train", "val") for i in frames]
    write_rows(root / "analysis" / "metadata_images_split_scene_v1.csv", columns, rows)
    write_rows(
        folder / "_detail" / "metadata_scene.csv",
        ["parameter_name", "parameter_value"],
        [["meters_per_asset_unit", UNIT_M]],
    )
    R = clip.T_world_cam[:, :3, :3] @ R_stored_true.T @ GL
    write_hdf5(folder / "_detail" / camera / "camera_keyframe_orientations.hdf5", R)
    write_hdf5(folder / "_detail" / camera / "camera_keyframe_positions.hdf5", clip.T_world_cam[:, :3, 3] / UNIT_M)
    v, u = np.indices((height, width))
    rays = np.stack((u, v, np.ones_like(u)), -1) @ np.linalg.inv(clip.K.astype(np.float64)).T
    for frame in range(len(clip.images) - 1):
        geometry = folder / "images" / f"scene_{camera}_geometry_hdf5" / f"frame.{frame:04}"
        final = folder / "images" / f"scene_{camera}_final_hdf5" / f"frame.{frame:04}"
        distance = clip.depth_m[frame].astype(np.float64) * np.linalg.norm(rays, axis=-1)
        distance[0] = np.nan
        entities = np.where(np.arange(height)[:, None].repeat(width, 1) == 0, -1, 5)
        labels = np.where(np.arange(width)[None].repeat(height, 0) < 3, -1, clip.labels[frame].astype(int))
        turned = unit(clip, frame) @ (GL @ R_stored_true).T
        turned[:, ::2] *= -1  # stored normals may point away
        linear = (clip.images[frame] / 255.0) ** 2.2
        for name, values in {
            f"{geometry}.depth_meters": distance.astype(np.float32),
            f"{geometry}.normal_cam": turned.astype(np.float16),
            f"{geometry}.semantic": labels.astype(np.int16),
            f"{geometry}.render_entity_id": entities.astype(np.int32),
            f"{final}.color": linear.astype(np.float16),
            f"{final}.diffuse_reflectance": np.full((height, width, 3), 0.25, np.float16),
        }.items():
            write_hdf5(folder.parent / f"{name}.hdf5", values)


def write_mid_intrinsics(root, clip: Clip):
    for split in ("train", "test"):
        for frame in range(2):
            folder = root / split / f"everett_{frame}"
            linear = ((clip.images[frame] / 255.0) ** 2.2).astype(np.float32)
            albedo = np.full_like(linear, 0.5)
            albedo[0] = 0
            for name, values in {"dir_0_mip2": linear, "dir_7_mip2": linear * 2, "albedo": albedo}.items():
                folder.mkdir(parents=True, exist_ok=True)
                header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
                with OpenEXR.File(header, {"RGB": values}) as file:
                    file.write(str(folder / f"{name}.exr"))


def write_diode(root, clip: Clip):
    for split in ("train", "val"):
        for frame in range(len(clip.images)):
            place = "indoors" if frame % 2 else "outdoor"
            stem = root / split / place / "scene_00019" / "scan_00183" / f"00019_00183_{place}_000_{frame:03}"
            write_picture(stem.with_suffix(".png"), clip.images[frame])
            mask = np.ones(clip.labels[frame].shape)
            mask[:5] = 0
            np.save(f"{stem}_depth.npy", clip.depth_m[frame].astype(np.float32)[..., None])
            np.save(f"{stem}_depth_mask.npy", mask)
            normals = unit(clip, frame) * [1, -1, -1]
            normals[-1] = 0
            np.save(f"{stem}_normal.npy", normals)


def write_virtual_kitti(root, clip: Clip):
    height, width = clip.depth_m.shape[1:]
    for scene in ("Scene01", "Scene20"):
        folder = root / scene / "fog"
        inside, outside = ["frame cameraID K[0,0] K[1,1] K[0,2] K[1,2]"], ["frame cameraID r1,1 r1,2 ..."]
        for frame in range(len(clip.images)):
            T = np.linalg.inv(clip.T_world_cam[frame])
            for camera in (0, 1):
                values = (clip.K[0, 0], clip.K[1, 1], clip.K[0, 2], clip.K[1, 2])
                inside.append(f"{frame} {camera} " + " ".join(map(str, values)))
                outside.append(f"{frame} {camera} " + " ".join(map(str, (T if camera else np.eye(4)).ravel())))
            frames = folder / "frames"
            write_picture(frames / "rgb" / "Camera_1" / f"rgb_{frame:05}.jpg", clip.images[frame])
            centimetres = np.round(clip.depth_m[frame].astype(np.float64) * 100).astype(np.uint16)
            centimetres[0] = 65535
            write_picture(frames / "depth" / "Camera_1" / f"depth_{frame:05}.png", centimetres)
            colours = np.zeros((height, width, 3), np.uint8)
            colours[:, : width // 2], colours[0] = (255, 127, 80), (90, 200, 255)
            write_picture(frames / "classSegmentation" / "Camera_1" / f"classgt_{frame:05}.png", colours)
            if frame + 1 == len(clip.images):
                break
            flow, moved = motion(clip, frame)
            stored = np.full((height, width, 3), 65535.0)
            stored[..., :2] = np.clip(flow / [width - 1, height - 1], -1, 1) * 32767.5 + 32767.5
            stored[0, :, 2] = 0
            write_channels16(frames / "forwardFlow" / "Camera_1" / f"flow_{frame:05}.png", stored.round())
            coded = (moved / 10 * 32767.5 + 32767.5).round()
            write_channels16(frames / "forwardSceneFlow" / "Camera_1" / f"sceneFlow_{frame:05}.png", coded)
        write_lines(folder / "intrinsic.txt", inside)
        write_lines(folder / "extrinsic.txt", outside)


def write_kitti_flow(root, clip: Clip):
    """Pairs of neighbouring frames; the right camera is 0.5 m aside."""
    training, K = root / "training", clip.K.astype(np.float64)
    for pair in range(2):
        flow, moved = motion(clip, pair)
        for offset, name in ((0, f"{pair:06}_10"), (1, f"{pair:06}_11")):
            write_picture(training / "image_2" / f"{name}.png", clip.images[pair + offset])
        depth = clip.depth_m[pair].astype(np.float64)
        for folder, z in (("disp_occ_0", depth), ("disp_occ_1", depth + moved[..., 2])):
            disparity = np.round(0.5 * K[0, 0] / z * 256).astype(np.uint16)
            disparity[:, 0] = 0
            write_picture(training / folder / f"{pair:06}_10.png", disparity)
        stored = np.ones((*depth.shape, 3))
        stored[..., :2] = (flow * 64 + 2**15).round()
        stored[2] = 0
        write_channels16(training / "flow_occ" / f"{pair:06}_10.png", stored)
        rows = [np.hstack([K, [[x], [0], [0]]]).ravel() for x in (0.1 * K[0, 0], -0.4 * K[0, 0])]
        lines = ["calib_time: 09-Jan-2012 13:57:47", "corner_dist: 9.95e-02"]
        lines += [f"P_rect_{n}: " + " ".join(map(str, row)) for n, row in zip(("02", "03"), rows, strict=True)]
        write_lines(training / "calib_cam_to_cam" / f"{pair:06}.txt", lines)


def write_flyingthings3d(root, clip: Clip):
    """Depth and motion in units of which the stereo baseline is one; numbers 3 and 4 are a pair, 9 has no successor."""
    focal = 1050.0 / 960 * clip.images.shape[2]
    for split in ("train", "val"):
        folder = root / split
        for number in (3, 4, 9):
            write_picture(
                folder / "image_clean" / "left" / f"{number:07}.png", clip.images[number - 3 if number < 9 else 0]
            )
        for number in (3, 9):
            depth, moved = clip.depth_m[0].astype(np.float32), np.float32(0.25)
            flow = np.full((*depth.shape, 2), (1.5, -2.0), np.float32)
            flow[0, 0] = 700
            disparity = focal / depth
            change = focal / (depth + moved) - disparity
            for name, values, suffix in (
                ("flow/left/into_future", flow, "flo"),
                ("disparity/left", -disparity, "pfm"),
                ("disparity_change/left/into_future", -change, "pfm"),
            ):
                path = folder / name / f"{number:07}.{suffix}"
                path.parent.mkdir(parents=True, exist_ok=True)
                if suffix == "flo":
                    cv2.writeOpticalFlow(str(path), values)
                else:
                    cv2.imwrite(str(path), values.astype(np.float32))
