"""nerfstudio's transforms.json, with the images and a point cloud beside it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mapping.export.atomic import replacing
from mapping.export.keyframe_images import write_images
from mapping.export.ply import write_ply
from mapping.export.surface import map_surface
from mapping.store.reader import MapReader
from streammtl.camera import Camera

# OpenCV camera axes (y down, z forward) from OpenGL ones (y up, z back).
T_OPENCV_OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])
# The map's world (y down) to nerfstudio's (z up): x stays, z becomes y, -y becomes z.
APPLIED = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0]])
POINT_CLOUD = "points.ply"


def write_transforms(reader: MapReader, path: Path) -> None:
    """Writes `path` (transforms.json), images/ and points.ply beside it for every keyframe.

    Convention: transform_matrix is camera-to-world with OpenGL camera axes (x right, y up, z back) in a world with z
    up;
    `applied_transform` is what took the map's world there, so inverse(applied) @ transform @ diag(1,-1,-1,1) is the
    map's
    T_world_cam. cx, cy count from the corner of the first pixel: half a pixel more than in the map. Points lie in the
    same
    z-up world. Source: nerfstudio documentation, "Data conventions".
    """
    folder = path.parent
    images = list(write_images(reader, folder))
    shared = {image.camera for image in images}
    applied = np.vstack([APPLIED, [0, 0, 0, 1]])
    frames = []
    for image in images:
        matrix = applied @ image.T_world_cam @ T_OPENCV_OPENGL
        own = _intrinsics(image.camera) if len(shared) > 1 else {}
        frames.append({"file_path": image.name, "transform_matrix": matrix.tolist(), **own})
    mesh = map_surface(reader)
    turned = replace(mesh, vertices=mesh.vertices @ APPLIED[:, :3].T, normals=mesh.normals @ APPLIED[:, :3].T)
    write_ply(folder / POINT_CLOUD, turned, points=True)
    document: dict[str, Any] = {"camera_model": "OPENCV"}
    if len(shared) == 1:
        document |= _intrinsics(next(iter(shared)))
    document |= {"applied_transform": APPLIED.tolist(), "ply_file_path": POINT_CLOUD, "frames": frames}
    with replacing(path) as part:
        part.write_text(json.dumps(document, indent=1), encoding="utf-8")


def _intrinsics(camera: Camera) -> dict[str, float | int]:
    return {
        "w": camera.width,
        "h": camera.height,
        "fl_x": camera.fx,
        "fl_y": camera.fy,
        "cx": camera.cx + 0.5,
        "cy": camera.cy + 0.5,
        "k1": 0.0,
        "k2": 0.0,
        "p1": 0.0,
        "p2": 0.0,
    }
