"""Ways out of a map: one file per format. `export_map` picks by the name of the target."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from mapping.export.atomic import replacing
from mapping.export.colmap_text import write_colmap
from mapping.export.glb import write_glb
from mapping.export.ply import write_ply
from mapping.export.surface import Colours, map_surface
from mapping.export.transforms_json import write_transforms
from mapping.export.tum import write_tum
from mapping.store.reader import MapReader
from mapping.surface.picture import map_picture
from streammtl.errors import ConfigError, StoreError

FORMATS = (
    "NAME.ply (mesh, or points), NAME.glb (mesh), NAME.tum (trajectory), NAME.png (pictures), transforms.json "
    "(nerfstudio), "
    "FOLDER/ (COLMAP text model)"
)


def export_map(
    reader: MapReader,
    to: Path | str,
    *,
    colours: Colours = "rgb",
    points: bool = False,
    keyframes_only: bool = False,
) -> Path:
    """Writes the map in the format that the target's name asks for, replacing what is there; gives the path written.

    A name ending in a slash or in "colmap", and any existing folder, takes a COLMAP text model. `colours` "label"
    paints
    surfaces by label; `points` writes a point cloud instead of a mesh; `keyframes_only` thins a trajectory.
    Raises: ConfigError for a name of no known format; StoreError when the target cannot be written or the map is
    damaged.
    """
    path = Path(to)
    if path.resolve().is_relative_to(reader.path.resolve()):
        raise ConfigError(f"{to} lies inside the map {reader.path}; choose a place outside it to export to.")
    if colours not in ("rgb", "label"):
        raise ConfigError(f"colours are {colours!r}; use 'rgb' or 'label'.")
    write = _writer(reader, to, colours, points, keyframes_only)
    try:
        write(path)
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written: {error.strerror or error}. Choose another place, or free some room."
        ) from error
    return path


def _writer(
    reader: MapReader, to: Path | str, colours: Colours, points: bool, keyframes_only: bool
) -> Callable[[Path], None]:
    path = Path(to)
    if str(to).endswith((os.sep, "colmap")) or path.is_dir():
        return lambda path: write_colmap(reader, path)
    if path.name == "transforms.json":
        return lambda path: write_transforms(reader, path)
    match path.suffix.lower():
        case ".ply":
            return lambda path: write_ply(path, map_surface(reader, colours), points=points)
        case ".glb":
            return lambda path: write_glb(path, map_surface(reader, colours))
        case ".tum":
            return lambda path: write_tum(path, reader.trajectory(), keyframes_only)
        case ".png":
            return lambda path: _write_picture(reader, path, colours)
    raise ConfigError(f"{to} is of no known format; name the target {FORMATS}.")


def _write_picture(reader: MapReader, path: Path, colours: Colours) -> None:
    with replacing(path) as part:
        map_picture(map_surface(reader, colours), reader.trajectory().T_world_cam, part)


__all__ = ["Colours", "export_map"]
