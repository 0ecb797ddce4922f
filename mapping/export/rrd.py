"""Recording for the Rerun viewer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from mapping.export.atomic import replacing
from mapping.export.optional import optional
from mapping.scene.objects import MapObject
from mapping.store.reader import MapReader
from mapping.surface.mesh import Mesh

_PATH_COLOUR = (219, 41, 51)


def write_rrd(path: Path, reader: MapReader, mesh: Mesh, objects: list[MapObject]) -> None:
    """Writes the mesh, the path, the keyframes with their images on the timeline `time`, and labelled boxes of objects.

    Convention: the map's world as it is; cameras in OpenCV axes (RDF); seconds. Raises: ConfigError without rerun-sdk.
    """
    rr = optional("rerun", "rerun-sdk", f"writing {path.name}")
    with replacing(path) as part:
        stream = rr.RecordingStream("streammtl", recording_id=reader.path.name)
        stream.save(str(part))
        shape = rr.Mesh3D(
            vertex_positions=mesh.vertices,
            triangle_indices=mesh.faces,
            vertex_normals=mesh.normals,
            vertex_colors=mesh.colours,
        )
        stream.log("world/surface", shape, static=True)
        trajectory = reader.trajectory()
        pieces = [trajectory.select(trajectory.posed & (trajectory.component == c)) for c in range(_components(reader))]
        strips = [piece.T_world_cam[:, :3, 3] for piece in pieces if len(piece) > 1]
        stream.log("world/path", rr.LineStrips3D(strips, colors=_PATH_COLOUR), static=True)
        if objects:
            stream.log("world/objects", _boxes(rr, objects), static=True)
        _log_keyframes(rr, stream, reader)
        stream.flush()
        stream.disconnect()


def _components(reader: MapReader) -> int:
    return max((entry.component for entry in reader.header.submaps), default=-1) + 1


def _boxes(rr, objects: list[MapObject]):
    rotations = Rotation.from_matrix(np.stack([thing.T_world_box[:3, :3] for thing in objects]))
    return rr.Boxes3D(
        half_sizes=np.stack([thing.extent_m for thing in objects]) / 2,
        centers=np.stack([thing.T_world_box[:3, 3] for thing in objects]),
        quaternions=[rr.Quaternion(xyzw=xyzw) for xyzw in rotations.as_quat()],
        labels=[f"{thing.class_name} {thing.id}" for thing in objects],
        class_ids=[thing.class_id for thing in objects],
    )


def _log_keyframes(rr, stream, reader: MapReader) -> None:
    anchors = {entry.number: entry.anchor for entry in reader.header.submaps}
    for i in range(len(reader)):
        keyframe = reader.keyframe(i)
        T, camera = anchors[keyframe.submap] @ keyframe.T_submap_cam, keyframe.camera
        stream.set_time("time", duration=keyframe.timestamp_s)
        stream.log("world/camera", rr.Transform3D(translation=T[:3, 3], mat3x3=T[:3, :3]))
        pinhole = rr.Pinhole(
            focal_length=[camera.fx, camera.fy],
            principal_point=[camera.cx + 0.5, camera.cy + 0.5],  # counted from the corner of the first pixel
            resolution=[camera.width, camera.height],
            camera_xyz=rr.ViewCoordinates.RDF,
        )
        stream.log("world/camera/image", pinhole)
        image = rr.EncodedImage(contents=reader.keyframe_jpeg(i), media_type="image/jpeg")
        stream.log("world/camera/image", image)
