"""Pictures of a map: from above, and as a camera would see it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from mapping.export.atomic import replacing
from mapping.store.trajectory import MapTrajectory
from mapping.surface.mesh import Mesh
from streammtl.errors import StoreError

SIDE = 720  # pixels; the picture is two such squares
_BACKGROUND = np.array([250, 250, 250], dtype=np.float32)
_PATH = (214, 39, 40)
_FIELD_OF_VIEW_DEG = 65.0
_LAYERS = 6  # back faces that a ray passes before it gives up


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
    """Orthographic, straight down; u8 [SIDE,SIDE,3]."""
    vertices = mesh.vertices @ R_view_world.T
    low, high = np.percentile(vertices, 1, axis=0), np.percentile(vertices, 99, axis=0)
    centre, metres = (low + high) / 2, 1.08 * max(high[0] - low[0], high[2] - low[2])
    grid = ((np.arange(SIDE) + 0.5) / SIDE - 0.5) * metres
    origins = np.empty((SIDE, SIDE, 3))
    origins[..., 0] = centre[0] + grid[None, :]
    origins[..., 1] = vertices[:, 1].min() - 1
    origins[..., 2] = centre[2] - grid[:, None]  # forward is up in the picture
    directions = np.broadcast_to([0.0, 1.0, 0.0], origins.shape)
    picture = _cast(mesh, origins @ R_view_world, directions @ R_view_world)
    path = trajectory.T_world_cam[trajectory.posed][:, :3, 3] @ R_view_world.T
    pixels = np.stack([path[:, 0] - centre[0], centre[2] - path[:, 2]], axis=1) / metres * SIDE + SIDE / 2
    component = trajectory.component[trajectory.posed]
    for number in np.unique(component):
        line = np.rint(pixels[component == number] * 16).astype(np.int32).reshape(-1, 1, 2)
        cv2.polylines(picture, [line], False, _PATH, 2, cv2.LINE_AA, 4)
    return picture


def _inside_view(mesh: Mesh, trajectory: MapTrajectory, R_view_world: np.ndarray) -> np.ndarray:
    """Perspective, from behind and above the cameras, towards where they look on average; u8 [SIDE,SIDE,3]."""
    vertices = mesh.vertices @ R_view_world.T
    low, high = np.percentile(vertices, 2, axis=0), np.percentile(vertices, 98, axis=0)
    centre, radius = (low + high) / 2, np.linalg.norm(high - low) / 2
    looking = trajectory.T_world_cam[trajectory.posed][:, :3, 2] @ R_view_world.T
    ahead = looking.mean(axis=0) * [1, 0, 1] if len(looking) else np.array([0.0, 0, 1])
    ahead = ahead / np.linalg.norm(ahead) if np.linalg.norm(ahead) > 1e-3 else np.array([0.0, 0, 1])
    forward = ahead + np.array([0, 0.55, 0])
    forward /= np.linalg.norm(forward)
    right = np.cross([0.0, 1.0, 0.0], forward)
    right /= np.linalg.norm(right)
    half = np.tan(np.deg2rad(_FIELD_OF_VIEW_DEG) / 2)
    grid = ((np.arange(SIDE) + 0.5) / SIDE - 0.5) * 2 * half
    directions = forward + grid[None, :, None] * right + grid[:, None, None] * np.cross(forward, right)
    eye = centre - forward * radius * 1.25
    origins = np.broadcast_to(eye, directions.shape)
    return _cast(mesh, origins @ R_view_world, directions @ R_view_world)


def _cast(mesh: Mesh, origins: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Colours of the first surface that faces each ray, shaded by its normal; u8 [H,W,3].

    Shapes: origins, directions [H,W,3] in the world.
    """
    import open3d as o3d

    centres = mesh.vertices[mesh.faces]
    normals = np.cross(centres[:, 1] - centres[:, 0], centres[:, 2] - centres[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(np.ascontiguousarray(mesh.vertices, np.float32), np.ascontiguousarray(mesh.faces, np.uint32))
    directions = directions / np.linalg.norm(directions, axis=-1, keepdims=True)
    picture = np.broadcast_to(_BACKGROUND, origins.shape).copy()
    start, waiting = origins.astype(np.float32).reshape(-1, 3).copy(), np.arange(origins[..., 0].size)
    flat, rays = picture.reshape(-1, 3), directions.astype(np.float32).reshape(-1, 3)
    for _ in range(_LAYERS):
        hits = scene.cast_rays(o3d.core.Tensor(np.concatenate([start[waiting], rays[waiting]], axis=1)))
        distance, triangle = hits["t_hit"].numpy(), hits["primitive_ids"].numpy()
        hit = np.isfinite(distance)
        waiting, distance, triangle = waiting[hit], distance[hit], triangle[hit]
        uv = hits["primitive_uvs"].numpy()[hit]
        slant = -(normals[triangle] * rays[waiting]).sum(axis=1)
        seen = slant > 0
        weights = np.stack([1 - uv.sum(axis=1), uv[:, 0], uv[:, 1]], axis=1)[seen]
        colour = (mesh.colours[mesh.faces[triangle[seen]]] * weights[..., None]).sum(axis=1)
        flat[waiting[seen]] = colour * (0.55 + 0.45 * slant[seen, None])
        start[waiting] += rays[waiting] * (distance[:, None] + 1e-3)
        waiting = waiting[~seen]
        if not len(waiting):
            break
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)
