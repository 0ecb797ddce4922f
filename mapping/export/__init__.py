"""Ways out of a map: one file per format. `export_map` picks by the name of the target."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mapping.export.atomic import replacing
from mapping.export.colmap_text import write_colmap
from mapping.export.floor_plan import write_plan
from mapping.export.glb import write_glb
from mapping.export.kitti import write_kitti
from mapping.export.las import write_las
from mapping.export.obj import write_obj
from mapping.export.occupancy import write_occupancy
from mapping.export.ply import write_ply
from mapping.export.rrd import write_rrd
from mapping.export.scene_files import write_objects, write_scene_graph
from mapping.export.surface import Colour, map_surface
from mapping.export.transforms_json import write_transforms
from mapping.export.tum import write_tum
from mapping.export.usd import write_usd
from mapping.scene.scene import read_scene
from mapping.store.reader import MapReader
from mapping.surface.mesh import Mesh
from mapping.surface.picture import map_picture
from streammtl.errors import ConfigError, StoreError

FORMATS = (
    "NAME.ply (mesh, or points), .glb .obj .usd .usda .usdc (mesh), .las .laz (labelled points), .tum .kitti "
    "(trajectory), .png (pictures), plan.png or .svg (floor plan), .pgm or .yaml (occupancy grid for ROS), "
    "objects.json, scene_graph.json or .graphml, .rrd (Rerun), transforms.json (nerfstudio), FOLDER/ (COLMAP text)"
)


@dataclass(frozen=True)
class _Export:
    """What was asked for; reads of the map what a format wants."""

    reader: MapReader
    colour: Colour
    points: bool
    keyframes_only: bool
    faces: int | None

    def surface(self) -> Mesh:
        return map_surface(self.reader, self.colour, self.faces)

    def picture(self, path: Path) -> None:
        with replacing(path) as part:
            map_picture(self.surface(), self.reader.trajectory().T_world_cam, part)

    def rerun(self, path: Path) -> None:
        labelled = self.reader.header.label_space is not None
        write_rrd(path, self.reader, self.surface(), read_scene(self.reader).objects if labelled else [])


_BY_ENDING: dict[str, Callable[[_Export, Path], None]] = {  # the longest ending that fits counts
    "colmap": lambda e, path: write_colmap(e.reader, path),
    "transforms.json": lambda e, path: write_transforms(e.reader, path),
    "objects.json": lambda e, path: write_objects(path, read_scene(e.reader)),
    "scene_graph.json": lambda e, path: write_scene_graph(path, read_scene(e.reader)),
    ".graphml": lambda e, path: write_scene_graph(path, read_scene(e.reader)),
    ".ply": lambda e, path: write_ply(path, e.surface(), points=e.points),
    ".glb": lambda e, path: write_glb(path, e.surface()),
    ".obj": lambda e, path: write_obj(path, e.surface()),
    **dict.fromkeys((".usd", ".usda", ".usdc"), lambda e, path: write_usd(path, e.surface())),
    **dict.fromkeys((".las", ".laz"), lambda e, path: write_las(path, e.surface())),
    ".tum": lambda e, path: write_tum(path, e.reader.trajectory(), e.keyframes_only),
    ".kitti": lambda e, path: write_kitti(path, e.reader.trajectory(), e.keyframes_only),
    **dict.fromkeys((".pgm", ".yaml"), lambda e, path: write_occupancy(path, read_scene(e.reader).grid)),
    **dict.fromkeys(("plan.png", ".svg"), lambda e, path: write_plan(path, read_scene(e.reader))),
    ".png": lambda e, path: e.picture(path),
    ".rrd": lambda e, path: e.rerun(path),
}


def export_map(
    reader: MapReader,
    to: Path | str,
    *,
    colour: Colour = "rgb",
    points: bool = False,
    keyframes_only: bool = False,
    faces: int | None = None,
) -> Path:
    """Writes the map in the format that the target's name asks for, replacing what is there; gives the path written.

    A name ending in a slash or in "colmap", and any existing folder, takes a COLMAP text model. `colour` "class" paints
    surfaces by label; `points` writes a point cloud instead of a mesh; `keyframes_only` thins a trajectory; `faces`
    thins a mesh to so many triangles.
    Raises: ConfigError for a name of no known format or a missing optional package; StoreError when the target cannot
    be written or the map is damaged.
    """
    path = Path(to)
    if path.resolve().is_relative_to(reader.path.resolve()):
        raise ConfigError(f"{to} lies inside the map {reader.path}; choose a place outside it to export to.")
    if colour not in ("rgb", "class"):
        raise ConfigError(f"the colour is {colour!r}; use 'rgb' or 'class'.")
    write = _writer(to)
    try:
        write(_Export(reader, colour, points, keyframes_only, faces), path)
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written: {error.strerror or error}. Choose another place, or free some room."
        ) from error
    return path


def _writer(to: Path | str) -> Callable[[_Export, Path], None]:
    path = Path(to)
    if str(to).endswith(os.sep) or path.is_dir():
        return _BY_ENDING["colmap"]
    fitting = [ending for ending in _BY_ENDING if path.name.lower().endswith(ending)]
    if not fitting:
        raise ConfigError(f"{to} is of no known format; name the target {FORMATS}.")
    return _BY_ENDING[max(fitting, key=len)]


__all__ = ["Colour", "export_map"]
