"""2D occupancy grid for ROS' map_server and Nav2: NAME.pgm and NAME.yaml."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mapping.export.atomic import replacing
from mapping.scene.floor_grid import FloorGrid

FREE, OCCUPIED, UNKNOWN = 254, 0, 205


def write_occupancy(path: Path, grid: FloorGrid) -> None:
    """Writes the image and its description side by side, whichever of the two `path` names.

    Convention: the grid's frame is the floor's (x along walls, z up, metres where the map is metric); `origin` is the
    lower left corner of the image, whose first row is the farthest in y. `T_world_floor`, row by row, takes points of
    the grid's frame to the map's world; ROS passes over it. Source: ROS wiki, map_server; "trinary" mode.
    """
    image = np.where(grid.occupied, OCCUPIED, np.where(grid.free, FREE, UNKNOWN)).astype(np.uint8)[::-1]
    image_path = path.with_suffix(".pgm")
    height, width = image.shape
    with replacing(image_path) as part:
        part.write_bytes(b"P5\n%d %d\n255\n" % (width, height) + image.tobytes())
    numbers = ", ".join(f"{number:.6f}" for number in grid.T_world_floor.reshape(-1))
    text = (
        f"image: {image_path.name}\nmode: trinary\nresolution: {grid.cell_m:g}\n"
        f"origin: [{grid.origin[0]:.6f}, {grid.origin[1]:.6f}, 0.0]\n"
        f"negate: 0\noccupied_thresh: 0.65\nfree_thresh: 0.196\nT_world_floor: [{numbers}]\n"
    )
    with replacing(path.with_suffix(".yaml")) as part:
        part.write_text(text, encoding="ascii")
