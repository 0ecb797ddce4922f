"""COLMAP text model, with the images beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from mapping.export.atomic import replacing
from mapping.export.keyframe_images import FOLDER, PosedImage, write_images
from mapping.export.surface import map_surface
from mapping.store.reader import MapReader
from mapping.surface.mesh import Mesh
from streammtl.camera import Camera

MAX_POINTS = 200_000


def write_colmap(reader: MapReader, folder: Path) -> None:
    """Writes cameras.txt, images.txt, points3D.txt and images/ for every keyframe. Other files in the folder stay.

    Convention: poses world-to-camera, quaternions w first; COLMAP's pixel origin is the corner of the first pixel, so
    the
    principal point is half a pixel more than the map's. Points are vertices of the surface, thinned to 200,000,
    without tracks.
    Source: COLMAP documentation, "Output format".
    """
    images = list(write_images(reader, folder))
    cameras = {camera: i + 1 for i, camera in enumerate(dict.fromkeys(image.camera for image in images))}
    _write(folder / "points3D.txt", _point_lines(map_surface(reader)))
    _write(folder / "cameras.txt", [_camera_line(i, camera) for camera, i in cameras.items()])
    _write(
        folder / "images.txt",
        [line for i, image in enumerate(images) for line in _image_lines(i + 1, cameras[image.camera], image)],
    )


def _camera_line(camera_id: int, camera: Camera) -> str:
    params = (camera.fx, camera.fy, camera.cx + 0.5, camera.cy + 0.5)
    return f"{camera_id} PINHOLE {camera.width} {camera.height} " + " ".join(repr(float(p)) for p in params)


def _image_lines(image_id: int, camera_id: int, image: PosedImage) -> list[str]:
    """One line with the pose and one, empty, for the observations that a dense map does not have."""
    T_cam_world = np.linalg.inv(image.T_world_cam)
    x, y, z, w = Rotation.from_matrix(T_cam_world[:3, :3]).as_quat(canonical=True)
    numbers = " ".join(repr(float(number)) for number in (w, x, y, z, *T_cam_world[:3, 3]))
    return [f"{image_id} {numbers} {camera_id} {image.name.removeprefix(FOLDER + '/')}", ""]


def _point_lines(mesh: Mesh) -> list[str]:
    step = max(1, -(-len(mesh.vertices) // MAX_POINTS))
    points, colours = mesh.vertices[::step], mesh.colours[::step]
    return [
        f"{i + 1} {x:.5f} {y:.5f} {z:.5f} {r} {g} {b} 0"
        for i, ((x, y, z), (r, g, b)) in enumerate(zip(points, colours, strict=True))
    ]


def _write(path: Path, lines: list[str]) -> None:
    with replacing(path) as part:
        part.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
