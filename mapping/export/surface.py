"""The surface of a map as exports take it: coloured as recorded, or by class."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from mapping.store.header import LabelSpaceRecord
from mapping.store.reader import MapReader
from mapping.surface.decimate import decimated
from mapping.surface.map_mesh import map_mesh
from mapping.surface.mesh import Mesh
from streammtl.errors import ConfigError

Colour = Literal["rgb", "class"]


def map_surface(reader: MapReader, colour: Colour = "rgb", faces: int | None = None) -> Mesh:
    """The merged mesh in the world frame: the one stored, else extracted now; with `faces`, of no more triangles.

    Raises: ConfigError when colours by class are asked of a map without labels.
    """
    if colour == "class" and reader.header.label_space is None:
        raise ConfigError("this map holds no labels, so it cannot be coloured by class; export with colour 'rgb'.")
    mesh = reader.surface()
    if mesh is None:
        mesh = map_mesh(reader)
    if faces is not None:
        mesh = decimated(mesh, faces)
    if colour == "class":
        mesh = replace(mesh, colours=label_palette(reader.header.label_space)[mesh.labels])
    return mesh


def label_palette(label_space: LabelSpaceRecord) -> np.ndarray:
    """u8 [256,3] display colour of every label id; ids that the label space does not know are grey."""
    palette = np.full((256, 3), 128, dtype=np.uint8)
    for i, colour in zip(label_space.ids, label_space.palette, strict=True):
        if i < 256:
            palette[i] = colour
    return palette
