"""Labelled point cloud as LAS or LAZ 1.4."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mapping.export.atomic import replacing
from mapping.export.optional import optional
from mapping.surface.mesh import Mesh

SCALE_M = 1e-4
FIRST_CLASS = 64  # codes from here on are free for users; those below mean ground, building and so on
_COLOUR_POINTS = 7  # point format with RGB


def write_las(path: Path, mesh: Mesh) -> None:
    """Writes the vertices with 16-bit colours; `classification` is 64 + label, 0 where none; `label` is the label.

    Convention: the map's world frame as it is, in metres, to 0.1 mm. Raises: ConfigError without laspy.
    Source: ASPRS LAS 1.4-R15.
    """
    laspy = optional("laspy", "laspy", f"writing {path.name}")
    header = laspy.LasHeader(version="1.4", point_format=_COLOUR_POINTS)
    header.scales, header.offsets = np.full(3, SCALE_M), np.floor(mesh.vertices.min(0, initial=0))
    header.generating_software = "streammtl"
    header.add_extra_dim(laspy.ExtraBytesParams("label", np.uint8, "label id, 0 = none"))
    cloud = laspy.LasData(header)
    cloud.x, cloud.y, cloud.z = mesh.vertices.T.astype(np.float64)
    cloud.red, cloud.green, cloud.blue = mesh.colours.T.astype(np.uint16) * 257
    coded = np.minimum(mesh.labels.astype(np.int64) + FIRST_CLASS, 255)
    cloud.classification = np.where(mesh.labels > 0, coded, 0).astype(np.uint8)
    cloud.label = mesh.labels
    with replacing(path) as part, part.open("wb") as file:
        cloud.write(file, do_compress=path.suffix.lower() == ".laz")
