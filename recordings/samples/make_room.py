"""Renders the bundled recording: a walk through a furnished room, with exact ground truth.

    python recordings/samples/make_room.py --furniture FOLDER_OF_EXTRACTED_DEB --out recordings/samples/room

The furniture comes from Debian's package sweethome3d-furniture 1.8-1, extracted with `dpkg -x`; only models under
CC0-1.0 are used (furniture.csv). The same command gives the same recording.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
from pathlib import Path

import av
import cv2
import layout
import numpy as np
import scene as scenes
from camera_path import CENTRE_PX, FOCAL_PX, FRAMES, FRAMES_PER_SECOND, HEIGHT, WIDTH, CameraPath, pixel_rays
from catalogue import TABLE
from lighting import LightSettings, bake
from rays import SurfaceTables, Tracer
from render import CameraSettings, Studio, picture
from source_note import source_note
from truth_mesh import room_mesh, write_ply

log = logging.getLogger("make_room")

TRUTH_EVERY = 30
MAX_VIDEO_BYTES = 3_900_000
POSES_HEADER = (
    "# TUM format: timestamp tx ty tz qx qy qz qw ; camera-to-world, OpenCV camera axes (x right, y down, z forward)\n"
    "# scale: metres; world: x east, y north, z up (gravity along -z), origin in a corner of the floor\n"
)


def prepare(package: Path, quick: bool) -> tuple[scenes.SceneBuilder, Studio]:
    """Builds and lights the room; `quick` bakes a coarser light for trying things out."""
    builder = layout.furnish(package)
    scene = scenes.finish(builder)
    log.info("scene: %d triangles, %d bake points", len(scene.positions), len(scene.bake_points))
    tracer, tables = Tracer.of(scene), SurfaceTables.of(scene)
    rough = {"window_samples": 16, "bounces": (16, 32)} if quick else {}
    sun = LightSettings(sky_radiance=layout.SKY_RADIANCE, **rough)
    return builder, Studio(scene, tracer, tables, bake(scene, tracer, tables, sun), sun)


def encode(frames: list[np.ndarray], crf: int) -> bytes:
    """H.264 in MP4, 4:2:0."""
    memory = io.BytesIO()
    with av.open(memory, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=round(FRAMES_PER_SECOND))
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], "yuv420p"
        stream.options = {"crf": str(crf), "preset": "slow", "threads": "2"}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return memory.getvalue()


def write_video(path: Path, frames: list[np.ndarray]) -> None:
    """Writes the best quality that keeps below the size limit."""
    for crf in range(18, 40):
        data = encode(frames, crf)
        log.info("video at crf %d: %d bytes", crf, len(data))
        if len(data) <= MAX_VIDEO_BYTES:
            path.write_bytes(data)
            return
    raise ValueError(f"no quality brings the video below {MAX_VIDEO_BYTES} bytes; lower the noise or the limit")


def quaternion(rotation: np.ndarray) -> np.ndarray:
    """Unit quaternion (x, y, z, w) with w >= 0 of a rotation matrix: the main eigenvector of Bar-Itzhack's K."""
    m = rotation
    k = np.array(
        [
            [m[0, 0] - m[1, 1] - m[2, 2], m[1, 0] + m[0, 1], m[2, 0] + m[0, 2], m[2, 1] - m[1, 2]],
            [m[1, 0] + m[0, 1], m[1, 1] - m[0, 0] - m[2, 2], m[2, 1] + m[1, 2], m[0, 2] - m[2, 0]],
            [m[2, 0] + m[0, 2], m[2, 1] + m[1, 2], m[2, 2] - m[0, 0] - m[1, 1], m[1, 0] - m[0, 1]],
            [m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], m[0, 0] + m[1, 1] + m[2, 2]],
        ]
    )
    vector = np.linalg.eigh(k)[1][:, -1]
    return vector if vector[3] >= 0 else -vector


def write_poses(path: Path, walk: CameraPath) -> None:
    lines = []
    for index in range(FRAMES):
        pose = walk.pose(index / FRAMES_PER_SECOND)
        numbers = " ".join(f"{value:.8f}" for value in [*pose[:3, 3], *quaternion(pose[:3, :3])])
        lines.append(f"{index / FRAMES_PER_SECOND:.6f} {numbers}\n")
    path.write_text(POSES_HEADER + "".join(lines))


def write_intrinsics(path: Path) -> None:
    values = {
        "width": WIDTH,
        "height": HEIGHT,
        "fx": FOCAL_PX,
        "fy": FOCAL_PX,
        "cx": CENTRE_PX[0],
        "cy": CENTRE_PX[1],
        "camera_model": "PINHOLE",
        "distortion": [],
        "depth_scale": 1000.0,
        "depth_units": "depth_png / depth_scale = metres along optical axis; 0 = invalid",
        "note": "exact; pixel centres at integer coordinates",
    }
    path.write_text(json.dumps(values, indent=1) + "\n")


def write_truth_images(out: Path, studio: Studio, walk: CameraPath) -> None:
    """Depth (u16, millimetres along the optical axis) and NYU-40 labels (u8), one ray through each pixel centre."""
    for name in ("depth", "labels"):
        (out / name).mkdir(exist_ok=True)
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
    for index in range(0, FRAMES, TRUTH_EVERY):
        pose = walk.pose(index / FRAMES_PER_SECOND)
        rays = pixel_rays(pose, columns, rows)
        distance, triangle, _ = studio.tracer.hits(rays)
        hit = np.isfinite(distance)
        depth = np.where(hit, distance * (rays[:, 3:] @ pose[:3, 2].astype(np.float32)), 0.0)
        labels = np.where(hit, studio.scene.label[np.where(hit, triangle, 0)], 0)
        for name, values, kind in (("depth", np.round(depth * 1000.0), np.uint16), ("labels", labels, np.uint8)):
            file = out / name / f"{index:06d}.png"
            cv2.imwrite(str(file), values.astype(kind).reshape(HEIGHT, WIDTH), [cv2.IMWRITE_PNG_COMPRESSION, 9])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--furniture", type=Path, required=True, help="folder into which the .deb was extracted")
    parser.add_argument("--out", type=Path, required=True, help="recording folder to write")
    parser.add_argument("--preview", type=float, nargs="*", help="only save PNGs of these times (s), with coarse light")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    options.out.mkdir(parents=True, exist_ok=True)
    builder, studio = prepare(options.furniture, quick=options.preview is not None)
    walk, camera = CameraPath.walk(), CameraSettings()
    if options.preview is not None:
        for time_s in options.preview:
            file = options.out / f"preview_{time_s:05.2f}.png"
            cv2.imwrite(str(file), picture(studio, walk, time_s, camera)[..., ::-1])
        return
    write_poses(options.out / "poses.txt", walk)
    write_intrinsics(options.out / "intrinsics.json")
    write_truth_images(options.out, studio, walk)
    write_ply(options.out / "mesh.ply", *room_mesh(builder.parts))
    (options.out / "SOURCE.md").write_text(source_note(TABLE))
    frames = []
    for index in range(FRAMES):
        frames.append(picture(studio, walk, index / FRAMES_PER_SECOND, camera))
        if index % 25 == 0:
            log.info("frame %d of %d", index, FRAMES)
    write_video(options.out / "video.mp4", frames)


if __name__ == "__main__":
    main()
