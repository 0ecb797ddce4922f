"""The images and cameras of keyframes, as the formats for view synthesis want them: files beside the poses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mapping.export.atomic import replacing
from mapping.store.reader import MapReader
from streammtl.camera import Camera

FOLDER = "images"


@dataclass(frozen=True)
class PosedImage:
    """One keyframe without its pixels."""

    name: str  # relative to the exported folder
    camera: Camera
    T_world_cam: np.ndarray  # f64 [4,4]


def write_images(reader: MapReader, folder: Path) -> Iterator[PosedImage]:
    """Writes each keyframe's JPEG, as it is in the map, to `folder`/images and gives its camera and pose."""
    anchors = {entry.number: entry.anchor for entry in reader.header.submaps}
    for i in range(len(reader)):
        keyframe = reader.keyframe(i)
        name = f"{FOLDER}/{keyframe.frame:06d}.jpg"
        with replacing(folder / name) as part:
            part.write_bytes(reader.keyframe_jpeg(i))
        yield PosedImage(name, keyframe.camera, anchors[keyframe.submap] @ keyframe.T_submap_cam)
