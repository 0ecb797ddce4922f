"""The keyframes group: one chunk per keyframe and array, appended, never rewritten."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import zarr

from mapping.records import KeyframeRecord
from mapping.store.arrays import array_folder, create_array, open_to_append, tree
from mapping.store.contract import GROWING, check_group
from mapping.store.settings import StoreSettings
from streammtl.camera import Camera
from streammtl.errors import StoreError

GROUP = "keyframes"
_JPEG_STEP = 1 << 16
_ARRAYS = {
    "frame": np.int64,
    "timestamp_s": np.float64,
    "submap": np.int32,
    "T_submap_cam": np.float64,
    "K": np.float64,
    "image_size": np.int32,  # height, width
    "depth_m": np.float16,
    "confidence": np.uint8,
    "label_ids": np.uint8,
    "jpeg": np.uint8,
    "jpeg_bytes": np.int32,
}


def check_keyframe(record: KeyframeRecord) -> None:
    """Raises StoreError when a record cannot be kept as it is."""
    where = f"the keyframe of frame {record.frame}"
    shape = record.depth_m.shape
    if len(shape) != 2 or record.confidence.shape != shape or record.label_ids.shape != shape:
        raise StoreError(
            f"{where} has depth {shape}, confidence {record.confidence.shape} and labels "
            f"{record.label_ids.shape}; they must be one [h,w]."
        )
    if not np.isfinite(record.T_submap_cam).all() or record.T_submap_cam.shape != (4, 4):
        raise StoreError(f"{where} has no finite 4x4 pose; only posed frames can be keyframes.")
    if record.image.dtype != np.uint8 or record.image.shape != (record.camera.height, record.camera.width, 3):
        raise StoreError(
            f"{where} has an image {record.image.dtype} {record.image.shape}, but a camera of "
            f"{record.camera.height}x{record.camera.width}; "
            "expected u8 [H,W,3] of the camera's size."
        )
    if not record.camera.is_pinhole:
        raise StoreError(
            f"{where} has a distorted camera ({record.camera.model}); undistort the image and hand over the "
            "pinhole camera."
        )


def append_keyframes(root: zarr.Group, start: int, records: list[KeyframeRecord], settings: StoreSettings) -> None:
    """Writes `records` as entries start, start+1, …; whatever an unfinished commit left there is replaced."""
    columns = _columns(records, settings)
    if start == 0:
        arrays = _create_arrays(root.create_group(GROUP, overwrite=True), columns)
    else:
        arrays = {name: open_to_append(root[GROUP], name) for name in columns}
    for name, data in columns.items():
        array = arrays[name]
        entry_shape = data.shape[1:]
        if name == "jpeg":
            entry_shape = (max(array.shape[1], data.shape[1]),)
            data = np.pad(data, ((0, 0), (0, entry_shape[0] - data.shape[1])))
        elif array.shape[1:] != entry_shape:
            raise StoreError(
                f"keyframes of this map have {name} of shape {array.shape[1:]}, now {entry_shape} came; one map "
                "holds one image size. "
                "Start a new map for the other camera."
            )
        array.resize((start + len(records), *entry_shape))
        array[start : start + len(records)] = data


def _create_arrays(group: zarr.Group, columns: dict[str, np.ndarray]) -> dict[str, zarr.Array]:
    return {
        name: create_array(group, name, (0, *data.shape[1:]), data.dtype, (1, *data.shape[1:]))
        for name, data in columns.items()
    }


def _columns(records: list[KeyframeRecord], settings: StoreSettings) -> dict[str, np.ndarray]:
    shapes = {record.depth_m.shape for record in records}
    if len(shapes) > 1:
        raise StoreError(
            f"keyframes of one commit have depth of several sizes: {sorted(shapes)}; one map holds one size."
        )
    jpegs = [_encode(record, settings.jpeg_quality) for record in records]
    longest = max(len(jpeg) for jpeg in jpegs)
    padded = np.zeros((len(jpegs), -(-longest // _JPEG_STEP) * _JPEG_STEP), dtype=np.uint8)
    for row, jpeg in zip(padded, jpegs, strict=True):
        row[: len(jpeg)] = jpeg
    columns = {
        "frame": [record.frame for record in records],
        "timestamp_s": [record.timestamp_s for record in records],
        "submap": [record.submap for record in records],
        "T_submap_cam": [record.T_submap_cam for record in records],
        "K": [record.camera.K for record in records],
        "image_size": [record.image.shape[:2] for record in records],
        "depth_m": [np.clip(record.depth_m, 0, np.finfo(np.float16).max) for record in records],
        "confidence": [np.rint(np.clip(record.confidence, 0, 1) * 255) for record in records],
        "label_ids": [record.label_ids for record in records],
        "jpeg": padded,
        "jpeg_bytes": [len(jpeg) for jpeg in jpegs],
    }
    return {name: np.asarray(column, dtype=_ARRAYS[name]) for name, column in columns.items()}


def _encode(record: KeyframeRecord, quality: int) -> np.ndarray:
    done, jpeg = cv2.imencode(
        ".jpg", cv2.cvtColor(record.image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    if not done:
        raise StoreError(
            f"the image of frame {record.frame} could not be compressed as JPEG; its shape is {record.image.shape}."
        )
    return jpeg


def paths_to_sync(path: Path, start: int, stop: int) -> Iterator[Path]:
    """Files and folders that hold entries start … stop-1 or lead to them."""
    yield path / GROUP
    yield path / GROUP / "zarr.json"
    for name in _ARRAYS:
        folder = path / GROUP / name
        yield from (folder, folder / "zarr.json", folder / "c")
        for i in range(start, stop):
            chunk = folder / "c" / str(i)
            yield from tree(chunk) if chunk.is_dir() else [chunk]


def remove_entries(path: Path, start: int, stop: int) -> None:
    """Deletes the files of entries start … stop-1, to give their room back at once."""
    for name in _ARRAYS:
        for i in range(start, stop):
            chunk = path / GROUP / name / "c" / str(i)
            if chunk.is_dir():
                shutil.rmtree(chunk, ignore_errors=True)
            else:
                chunk.unlink(missing_ok=True)


def drop_uncommitted(path: Path, root: zarr.Group, count: int) -> None:
    """Removes entries from `count` on, which an unfinished commit left."""
    if count == 0:
        shutil.rmtree(path / GROUP, ignore_errors=True)
        return
    check_keyframes(path, root, count)
    for name in _ARRAYS:
        array = root[GROUP][name]
        if array.shape[0] > count:
            array.resize((count, *array.shape[1:]))


def check_keyframes(path: Path, root: zarr.Group, count: int) -> None:
    """Raises StoreError when the arrays depart from the schema or hold fewer entries than the root counts."""
    group = root.get(GROUP)
    if not isinstance(group, zarr.Group):
        raise StoreError(
            f"the map {path} is damaged: its root counts {count} keyframes, but the keyframes group is gone. "
            "Restore it from a copy."
        )
    check_group(path, group, "keyframes", {GROWING: count})


def missing_files(path: Path, root: zarr.Group, start: int, stop: int) -> Iterator[str]:
    """Files of entries start … stop-1 that are gone, relative to the map."""
    for name in _ARRAYS:
        array = root[GROUP][name]
        for i in range(start, stop):
            file = "/".join(["c", str(i), *["0"] * (array.ndim - 1)])
            if not (array_folder(path, array) / file).exists():
                yield f"{array.path}/{file}"


def read_column(path: Path, root: zarr.Group, name: str, count: int) -> np.ndarray:
    """The first `count` entries of one array of the keyframes group."""
    return np.asarray(root[GROUP][name][:count])


def read_jpeg(path: Path, root: zarr.Group, i: int) -> bytes:
    """The image of entry i as a JPEG file. Raises StoreError when it is gone."""
    for file in missing_files(path, root, i, i + 1):
        raise StoreError(f"the map {path} is damaged: {file} is gone. Restore it from a copy, or map again.")
    group = root[GROUP]
    return np.asarray(group["jpeg"][i, : int(group["jpeg_bytes"][i])]).tobytes()


def read_keyframe(path: Path, root: zarr.Group, i: int) -> KeyframeRecord:
    """Entry i, its image decoded and its arrays as f32. Raises StoreError when it is damaged or files are gone."""
    for file in missing_files(path, root, i, i + 1):
        raise StoreError(f"the map {path} is damaged: {file} is gone. Restore it from a copy, or map again.")
    group = root[GROUP]
    entry = {name: np.asarray(group[name][i]) for name in _ARRAYS if name != "jpeg"}
    jpeg = np.asarray(group["jpeg"][i, : int(entry["jpeg_bytes"])])
    image = cv2.imdecode(jpeg, cv2.IMREAD_COLOR) if jpeg.size else None
    height, width = (int(n) for n in entry["image_size"])
    if image is None or image.shape[:2] != (height, width):
        raise StoreError(
            f"the map {path} is damaged: the image of keyframe {i} cannot be decoded. Restore it from a copy, "
            "or map again."
        )
    K = entry["K"]
    return KeyframeRecord(
        frame=int(entry["frame"]),
        timestamp_s=float(entry["timestamp_s"]),
        submap=int(entry["submap"]),
        T_submap_cam=entry["T_submap_cam"],
        camera=Camera.pinhole(width, height, K[0, 0], K[1, 1], K[0, 2], K[1, 2]),
        image=cv2.cvtColor(image, cv2.COLOR_BGR2RGB),
        depth_m=entry["depth_m"].astype(np.float32),
        confidence=entry["confidence"].astype(np.float32) / 255,
        label_ids=entry["label_ids"],
    )
