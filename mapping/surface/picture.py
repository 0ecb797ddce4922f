"""Pictures of a mesh: through a camera, from above, and looking into it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from mapping.surface.framing import View, looking_into, straight_down, upright
from mapping.surface.mesh import Mesh, drop_small_components
from mapping.surface.raycast import MeshRays
from mapping.surface.shading import BACKGROUND, Mode, openness, shade, vertex_colours
from streammtl.camera import Camera
from streammtl.errors import MapError

FINER = 2  # pictures are drawn at twice the size, for smooth edges
PATH_COLOUR = (0.86, 0.16, 0.2)
CUT = 0.65  # of its height, what a map keeps when seen from above
_CORNERS = 0.45  # how much darker the inmost corners are


def render_mesh(
    mesh: Mesh, camera: Camera, T_world_cam: np.ndarray, mode: Mode = "colour", palette: np.ndarray | None = None
) -> np.ndarray:
    """What a pinhole camera would see of the mesh, u8 [H,W,3]; both sides of faces are drawn, on a light background.

    `mode`: colours as recorded, colours of labels (`palette` u8 [n,3]), or normals as 0.5 + 0.5 n in the world's axes.
    """
    up = -np.asarray(T_world_cam)[:3, 1]
    view = View.pinhole(camera.scaled(camera.width * FINER, camera.height * FINER), T_world_cam)
    colours = vertex_colours(mesh, mode, palette)
    if mode == "normal":
        return _shrunk(_cast(mesh, view, colours, up, None, flat=True)[0])
    return _shrunk(_cast(mesh, view, _dimmed(mesh, colours), up, None)[0])


def top_view(
    mesh: Mesh,
    width: int,
    up: np.ndarray | None = None,
    cut: float = CUT,
    T_world_cam: np.ndarray | None = None,
    mode: Mode = "colour",
    palette: np.ndarray | None = None,
) -> np.ndarray:
    """The mesh straight from above, walls along the picture's sides, u8 [H,width,3]; all above `cut` of its height is
    away.

    `up` [3] points up; without it, it is estimated from the mesh and, where given, the poses T_world_cam f64 [N,4,4],
    whose path is then drawn.
    """
    up = upright(mesh, T_world_cam) if up is None else np.asarray(up, np.float64) / np.linalg.norm(up)
    colours = _dimmed(mesh, _exposed(vertex_colours(mesh, mode, palette), mode))
    return _top_view(mesh, colours, width, up, cut, np.empty((0, 4, 4)) if T_world_cam is None else T_world_cam)


def overview(
    mesh: Mesh,
    T_world_cam: np.ndarray,
    width: int = 960,
    height: int = 720,
    up: np.ndarray | None = None,
    mode: Mode = "colour",
    palette: np.ndarray | None = None,
) -> np.ndarray:
    """A look into the map from above at a slant, u8 [height,width,3], with the path of the camera.

    Faces that turn their back to the viewer are left out: one sees through the near walls and the ceiling.
    """
    up = upright(mesh, T_world_cam) if up is None else np.asarray(up, np.float64) / np.linalg.norm(up)
    colours = _dimmed(mesh, _exposed(vertex_colours(mesh, mode, palette), mode))
    return _overview(mesh, colours, (width, height), up, T_world_cam)


def map_picture(
    mesh: Mesh,
    T_world_cam: np.ndarray,
    path: str | Path,
    mode: Mode = "colour",
    palette: np.ndarray | None = None,
    height: int = 720,
) -> None:
    """Writes a PNG with the map from above and a look into it side by side.

    T_world_cam f64 [N,4,4]: the poses of the camera, in order; rows with NaN, frames without a pose, are left out.
    Raises: MapError when the mesh is empty or the file cannot be written.
    """
    if not len(mesh.faces):
        raise MapError("the map has no surface to draw: nothing was fused into it, or all of it too faintly.")
    shown = drop_small_components(mesh, max(1, min(100, len(mesh.faces) // 1000)))
    poses = np.asarray(T_world_cam, np.float64).reshape(-1, 4, 4)
    poses = poses[np.isfinite(poses).all((1, 2))]
    up = upright(shown, poses)
    colours = _dimmed(shown, _exposed(vertex_colours(shown, mode, palette), mode))
    above = _fitted(_top_view(shown, colours, int(1.3 * height), up, CUT, poses), height, int(1.3 * height))
    into = _overview(shown, colours, (int(4 / 3 * height), height), up, poses)
    done, png = cv2.imencode(".png", np.concatenate([above, into], axis=1)[..., ::-1])
    try:
        if not done:
            raise OSError("the PNG encoder failed")
        Path(path).write_bytes(png.tobytes())
    except OSError as error:
        raise MapError(f"the picture cannot be written to {path}: {error}.") from error


def _top_view(
    mesh: Mesh, colours: np.ndarray, width: int, up: np.ndarray, cut: float, T_world_cam: np.ndarray
) -> np.ndarray:
    height = mesh.vertices @ up
    low, high = np.percentile(height, (1, 99)) if len(height) else (0, 1)
    below = (height[mesh.faces] < low + cut * (high - low)).all(1)
    view = straight_down(mesh, below, up, T_world_cam[:, :3, 3], width * FINER)
    image, _ = _cast(mesh, view, colours, up, below)
    _draw_path(image, None, view, T_world_cam)
    return _shrunk(image)


def _overview(
    mesh: Mesh, colours: np.ndarray, size: tuple[int, int], up: np.ndarray, T_world_cam: np.ndarray
) -> np.ndarray:
    view = looking_into(mesh, up, T_world_cam[:, :3, 3], (size[0] * FINER, size[1] * FINER))
    image, depth = _cast(mesh, view, colours, up, np.ones(len(mesh.faces), bool))
    _draw_path(image, depth, view, T_world_cam)
    return _shrunk(image)


def _exposed(colours: np.ndarray, mode: Mode) -> np.ndarray:
    """Recorded colours made brighter where the recording is dark, as a photographer would."""
    if mode != "colour" or not len(colours):
        return colours
    bright = np.percentile(colours.max(1), 90)
    return np.minimum(colours * np.clip(0.8 / max(bright, 1e-3), 1, 1.5), 1)


def _dimmed(mesh: Mesh, colours: np.ndarray) -> np.ndarray:
    extent = np.ptp(mesh.vertices, axis=0) if len(mesh.vertices) else np.zeros(3)
    open_share = openness(mesh, 0.08 * float(np.linalg.norm(extent)) + 1e-6)
    return colours * (1 - _CORNERS * (1 - open_share))[:, None]


def _cast(
    mesh: Mesh, view: View, colours: np.ndarray, up: np.ndarray, kept: np.ndarray | None, flat: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Image f32 [h,w,3] and depth f32 [h,w] of a view. `kept` bool [F] also leaves out faces that look away."""
    if kept is not None:
        kept = kept & view.faces_towards(mesh)
    origins, directions = view.rays()
    hits = MeshRays(mesh, kept).cast(origins, directions)
    towards_eye = -directions / np.linalg.norm(directions, axis=-1, keepdims=True)
    if flat:
        image = np.tile(BACKGROUND.astype(np.float32), (len(hits.face), 1))
        met = hits.face >= 0
        image[met] = (colours[mesh.faces[hits.face[met]]] * hits.weights[met][..., None]).sum(1)
    else:
        image = shade(mesh, hits, colours, up, towards_eye)
    size = (view.height, view.width)
    return image.reshape(*size, 3), hits.distance.reshape(size)


def _draw_path(image: np.ndarray, depth: np.ndarray | None, view: View, T_world_cam: np.ndarray) -> None:
    """Draws the path into the image, in place; where the surface hides it, faintly."""
    if len(T_world_cam) < 2:
        return
    pixels, z = view.project(T_world_cam[:, :3, 3])
    over, line = image.copy(), max(2, view.width // 450)
    points = np.round(pixels * 16).astype(np.int64).clip(-(1 << 24), 1 << 24).astype(np.int32)
    hidden = image.copy()
    cv2.polylines(over, [points.reshape(-1, 1, 2)], False, PATH_COLOUR, line, cv2.LINE_AA, 4)
    cv2.circle(over, tuple(points[0].tolist()), 16 * 3 * line, (0.1, 0.5, 0.25), -1, cv2.LINE_AA, 4)
    cv2.circle(over, tuple(points[-1].tolist()), 16 * 3 * line, PATH_COLOUR, -1, cv2.LINE_AA, 4)
    cv2.addWeighted(over, 0.3, hidden, 0.7, 0, hidden)
    if depth is None:
        image[:] = over
        return
    in_front = np.zeros(depth.shape, np.uint8)
    for a, b, near in zip(points[:-1], points[1:], np.minimum(z[:-1], z[1:]), strict=True):
        middle = (a + b) // 32
        inside = 0 <= middle[0] < view.width and 0 <= middle[1] < view.height
        if not inside or near < depth[middle[1], middle[0]]:
            cv2.line(in_front, tuple(a.tolist()), tuple(b.tolist()), 1, 4 * line, cv2.LINE_8, 4)
    for end in (0, -1):
        cv2.circle(in_front, tuple(points[end].tolist()), 16 * 4 * line, 1, -1, cv2.LINE_8, 4)
    image[:] = np.where(in_front[..., None] > 0, over, hidden)


def _shrunk(image: np.ndarray) -> np.ndarray:
    h, w = image.shape[0] // FINER, image.shape[1] // FINER
    small = cv2.resize(image, (w, h), interpolation=cv2.INTER_AREA)
    return np.clip(np.round(small * 255), 0, 255).astype(np.uint8)


def _fitted(image: np.ndarray, height: int, most: int) -> np.ndarray:
    """The image scaled to a height, at most `most` wide, on the background."""
    scale = min(height / image.shape[0], most / image.shape[1])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    above = (height - size[1]) // 2
    white = tuple(int(c) for c in 255 * BACKGROUND)
    return cv2.copyMakeBorder(image, above, height - size[1] - above, 0, 0, cv2.BORDER_CONSTANT, value=white)
