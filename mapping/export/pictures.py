"""Pictures of a map: from above, and as a camera would see it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from mapping.export.atomic import replacing
from mapping.export.rasteriser import rasterise
from mapping.store.trajectory import MapTrajectory
from mapping.surface.mesh import Mesh
from streammtl.errors import StoreError

SIDE = 720  # pixels; the picture is two such squares
FINE = 2 * SIDE  # drawn at twice the size, for smooth edges
_BACKGROUND = 250.0
_PATH = (214, 39, 40)
_FIELD_OF_VIEW_DEG = 60.0
_LOOKING_DOWN = 0.6  # slope of the rendered view
_DISTANCE = 1.45  # of its camera from the middle, in radii of the map


def write_pictures(path: Path, mesh: Mesh, trajectory: MapTrajectory) -> None:
    """Writes one PNG: left the map from above with the path of the camera in red, right a view into it.

    Surfaces are seen from their free side only, so that ceilings and near walls do not hide the room. "Above" is
    against gravity as far as the cameras tell: they are held upright on average.
    """
    if not len(mesh.faces):
        raise StoreError(
            "the map has no surface to draw: it holds no fused depth. Export the trajectory (.tum) instead."
        )
    R_view_world = _upright(trajectory)
    picture = np.concatenate(
        [_top_view(mesh, trajectory, R_view_world), _inside_view(mesh, trajectory, R_view_world)], axis=1
    )
    done, png = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    if not done:
        raise StoreError("the picture could not be compressed as PNG.")
    with replacing(path) as part:
        part.write_bytes(png.tobytes())


def _upright(trajectory: MapTrajectory) -> np.ndarray:
    """f64 [3,3]: world to axes x right, y down, z forward with y along the cameras' mean down."""
    poses = trajectory.T_world_cam[trajectory.posed]
    if not len(poses):
        return np.eye(3)
    down = poses[:, :3, 1].mean(axis=0)
    down /= np.linalg.norm(down)
    forward = poses[0, :3, 2] - down * (down @ poses[0, :3, 2])
    if np.linalg.norm(forward) < 1e-3:
        forward = poses[0, :3, 0] - down * (down @ poses[0, :3, 0])
    forward /= np.linalg.norm(forward)
    return np.stack([np.cross(down, forward), down, forward])


def _top_view(mesh: Mesh, trajectory: MapTrajectory, R_view_world: np.ndarray) -> np.ndarray:
    """Parallel rays, straight down, forward up in the picture; u8 [SIDE,SIDE,3]."""
    vertices = mesh.vertices @ R_view_world.T
    low, high = np.percentile(vertices, 1, axis=0), np.percentile(vertices, 99, axis=0)
    centre, metres = (low + high) / 2, 1.08 * max(high[0] - low[0], high[2] - low[2], 1e-6)

    def to_pixels(points: np.ndarray, side: int) -> np.ndarray:
        return np.stack([points[:, 0] - centre[0], centre[2] - points[:, 2]], axis=1) / metres * side + (side - 1) / 2

    lit, front = _lit(mesh, vertices, lambda corner: np.array([0.0, 1.0, 0.0]))
    picture = rasterise(to_pixels(vertices, FINE), -vertices[:, 1], lit, mesh.faces[front], FINE)
    picture = _shrunk(picture)
    path = trajectory.T_world_cam[trajectory.posed][:, :3, 3] @ R_view_world.T
    component = trajectory.component[trajectory.posed]
    for number in np.unique(component):
        line = np.rint(to_pixels(path[component == number], SIDE) * 16).astype(np.int32).reshape(-1, 1, 2)
        cv2.polylines(picture, [line], False, _PATH, 2, cv2.LINE_AA, 4)
    return picture


def _inside_view(mesh: Mesh, trajectory: MapTrajectory, R_view_world: np.ndarray) -> np.ndarray:
    """A pinhole behind and above the map that looks the way the cameras look on average; u8 [SIDE,SIDE,3]."""
    vertices = mesh.vertices @ R_view_world.T
    low, high = np.percentile(vertices, 2, axis=0), np.percentile(vertices, 98, axis=0)
    radius = np.linalg.norm(high - low) / 2
    ahead = (trajectory.T_world_cam[trajectory.posed][:, :3, 2] @ R_view_world.T).sum(axis=0) * [1, 0, 1]
    ahead = ahead / np.linalg.norm(ahead) if np.linalg.norm(ahead) > 1e-3 else np.array([0.0, 0, 1])
    forward = ahead + np.array([0, _LOOKING_DOWN, 0])
    forward /= np.linalg.norm(forward)
    right = np.cross([0.0, 1.0, 0.0], forward)
    right /= np.linalg.norm(right)
    eye = (low + high) / 2 - forward * radius * _DISTANCE
    x, y, z = ((vertices - eye) @ np.stack([right, np.cross(forward, right), forward]).T).T
    focal = FINE / 2 / np.tan(np.deg2rad(_FIELD_OF_VIEW_DEG) / 2)
    depth = np.maximum(z, 1e-6)
    pixels = np.stack([x, y], axis=1) / depth[:, None] * focal + (FINE - 1) / 2
    lit, front = _lit(mesh, vertices, lambda corner: corner - eye)
    front &= (z[mesh.faces] > 0.05 * radius).all(axis=1)
    return _shrunk(rasterise(pixels, 1 / depth, lit, mesh.faces[front], FINE))


def _lit(mesh: Mesh, vertices: np.ndarray, ray: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Vertex colours f32 [N,3], darker where the surface is seen at a slant, and which faces [F] show their free side."""
    corners = vertices[mesh.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    rays = ray(corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1) * np.linalg.norm(np.broadcast_to(rays, normals.shape), axis=1)
    slant = -(normals * rays).sum(axis=1) / np.maximum(lengths, 1e-12)
    per_vertex = np.zeros((2, len(vertices)))
    for corner in range(3):
        np.add.at(per_vertex[0], mesh.faces[:, corner], np.maximum(slant, 0))
        np.add.at(per_vertex[1], mesh.faces[:, corner], 1)
    shade = 0.55 + 0.45 * per_vertex[0] / np.maximum(per_vertex[1], 1)
    return (mesh.colours * shade[:, None]).astype(np.float32), slant > 0


def _shrunk(picture: np.ndarray) -> np.ndarray:
    filled = np.where(np.isnan(picture), _BACKGROUND, picture).astype(np.float32)
    small = cv2.resize(filled, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.clip(np.rint(small), 0, 255).astype(np.uint8)
