"""Labels of a true mesh, at points that the true cameras saw."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mapping.evaluation.surface import Triangles, sample_triangles
from mapping.surface.raycast import open3d
from streammtl.camera import Camera
from streammtl.errors import RecordingError

POSES = 60  # at most, evenly along the path
TOLERANCE_M = 0.002  # less than what is stuck on a surface is thick: the wall behind a picture was not seen
PLY_TYPES = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
}


def vertex_labels(path: Path) -> np.ndarray | None:
    """i64 [V] property `label` of a binary PLY's vertices; None where it has none, or is no binary PLY.

    Raises: RecordingError when the vertices are damaged.
    """
    data = path.read_bytes()
    head, end, body = data.partition(b"end_header\n")
    lines = [line.split() for line in head.decode("ascii", "replace").splitlines()]
    order = {"binary_little_endian": "<", "binary_big_endian": ">"}.get(
        next((line[1] for line in lines if line[:1] == ["format"] and len(line) > 1), "")
    )
    elements = [i for i, line in enumerate(lines) if line[:1] == ["element"]]
    if not end or order is None or not elements or lines[elements[0]][1] != "vertex":
        return None
    until = elements[1] if len(elements) > 1 else len(lines)
    fields = [(line[2], line[1]) for line in lines[elements[0] : until] if line[:1] == ["property"]]
    if "label" not in dict(fields):
        return None
    try:
        vertex = np.dtype([(name, order + PLY_TYPES[kind]) for name, kind in fields])
        return np.frombuffer(body, vertex, int(lines[elements[0]][2]))["label"].astype(np.int64)
    except (KeyError, ValueError, IndexError) as error:
        raise RecordingError(f"{path}: its vertices are damaged or of an unknown type: {error}.") from error


def labelled_points(
    surface: Triangles, labels: np.ndarray, T_world_cam: np.ndarray, camera: Camera, samples: int
) -> tuple[np.ndarray, np.ndarray]:
    """Points [N,3] of a true surface that a camera saw, and the label of the corner nearest to each, i64 [N].

    `samples` points are spread evenly over the area; labels i64 [V] by vertex; T_world_cam f64 [P,4,4]; camera: pinhole
    of the recording's images.
    """
    triangle, weights = sample_triangles(surface, samples)
    corners = surface.faces[triangle]
    points = (surface.vertices[corners] * weights[..., None]).sum(axis=1)
    ids = labels[corners[np.arange(len(corners)), weights.argmax(axis=1)]]
    seen = seen_points(points, surface, T_world_cam, camera)
    return points[seen], ids[seen]


def seen_points(points: np.ndarray, surface: Triangles, T_world_cam: np.ndarray, camera: Camera) -> np.ndarray:
    """bool [N]: points [N,3] in the image of one of up to 60 cameras along the path, with nothing 2 mm before them.

    A ray to each point decides, not a rendered depth image, so that what lies just behind something is not seen.
    """
    scene = open3d().t.geometry.RaycastingScene()
    scene.add_triangles(surface.vertices.astype(np.float32), np.ascontiguousarray(surface.faces, np.uint32))
    seen = np.zeros(len(points), dtype=bool)
    for T in T_world_cam[:: -(-len(T_world_cam) // POSES)]:
        unseen = np.flatnonzero(~seen)
        x, y, z = ((points[unseen] - T[:3, 3]) @ T[:3, :3]).T
        with np.errstate(divide="ignore", invalid="ignore"):
            u, v = camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy
        inside = (z > 1e-6) & (u > -0.5) & (v > -0.5) & (u < camera.width - 0.5) & (v < camera.height - 0.5)
        looked_at = unseen[inside]
        lines = points[looked_at] - T[:3, 3]
        rays = np.concatenate([np.broadcast_to(T[:3, 3], lines.shape), lines], axis=1).astype(np.float32)
        reached = scene.cast_rays(open3d().core.Tensor(rays))["t_hit"].numpy()  # 1 is the point itself
        seen[looked_at] = (1 - reached) * np.linalg.norm(lines, axis=1) <= TOLERANCE_M
    return seen
