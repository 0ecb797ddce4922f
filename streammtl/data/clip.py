"""A rendered clip: frames along one camera path through one room, with exact truth, in one `.npz` without pickle."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from streammtl.errors import DataError

NEEDED = ("images", "depth_m", "normals", "labels", "boundaries", "K", "T_world_cam", "timestamp_s")


@dataclass(frozen=True)
class Clip:
    """Frames with truth. Camera axes are OpenCV's, pixel centres integers, poses camera-to-world in metres."""

    images: np.ndarray  # u8 [F,H,W,3] sRGB
    depth_m: np.ndarray  # f16 [F,H,W] along the optical axis; 0 = nothing there
    normals: np.ndarray  # i8 [F,H,W,3] unit normals facing the camera, camera axes, times 127; 0,0,0 = invalid
    labels: np.ndarray  # u8 [F,H,W] NYU-40 ids; 0 = unlabelled
    boundaries: np.ndarray  # u8 [F,H,W] 1 on boundaries
    K: np.ndarray  # f32 [3,3]
    T_world_cam: np.ndarray  # f64 [F,4,4]
    timestamp_s: np.ndarray  # f64 [F]
    moving: np.ndarray | None = None  # bool [F,H,W] things that move by themselves
    instances: np.ndarray | None = None  # u16 [F,H,W]
    flow: np.ndarray | None = None  # f16 [F,H,W,2] pixels to the next frame; the last frame's is NaN
    scene_flow: np.ndarray | None = None  # f16 [F,H,W,3] metres to the next frame, camera axes of this frame
    albedo: np.ndarray | None = None  # u8 [F,H,W,3] sRGB
    shading: np.ndarray | None = None  # f16 [F,H,W] light that reaches the surface, linear, mean over channels

    def save(self, path: Path) -> None:
        """Writes the clip so that a reader sees all of it or nothing."""
        arrays = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) is not None}
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, **arrays)
        partial.replace(path)


def load_clip(path: Path, only: tuple[str, ...] | None = None) -> Clip:
    """Reads a clip, or only some of its arrays (the others are then empty arrays or None).

    Raises: DataError for a file that is missing, damaged or not a clip.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            known = {f.name for f in fields(Clip)} & set(archive.files)
            arrays = {name: archive[name] for name in known if only is None or name in only}
            missing = set(NEEDED) - known
    except (OSError, ValueError, EOFError, KeyError, BadZipFile) as error:
        raise DataError(f"{path} is not a readable clip ({error}); generate it again.") from error
    if missing:
        raise DataError(f"{path} lacks {', '.join(sorted(missing))}; generate it again.")
    return Clip(
        **{name: arrays.get(name, np.zeros(0)) for name in NEEDED},
        **{k: v for k, v in arrays.items() if k not in NEEDED},
    )
