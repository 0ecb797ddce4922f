"""The keyframes group: one chunk per keyframe and array, appended, never rewritten."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import cv2
import numpy as np
import zarr

from mapping.records import KeyframeRecord
from mapping.store.arrays import create_array, open_to_append
from mapping.store.contract import GROWING, check_group
from mapping.store.damage import DAMAGE, damaged, first_line
from mapping.store.place import Place
from mapping.store.settings import StoreSettings
from streammtl.camera import Camera
from streammtl.errors import StoreError

GROUP = "keyframes"
_JPEG_STEP = 1 << 16
_READ_AT_ONCE = 64
Columns = Mapping[str, np.ndarray]  # the arrays of several keyframes as the map keeps them, by name
WHEN_AND_WHERE = ("frame", "timestamp_s", "submap", "T_submap_cam")
KEYFRAME_ARRAYS = {
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


def append_columns(root: zarr.Group, start: int, columns: Columns) -> None:
    """Writes keyframes as entries start, start+1, …; whatever an unfinished commit left there is replaced."""
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
        array.resize((start + len(data), *entry_shape))
        array[start : start + len(data)] = data


def _create_arrays(group: zarr.Group, columns: Columns) -> dict[str, zarr.Array]:
    return {
        name: create_array(group, name, (0, *data.shape[1:]), data.dtype, (1, *data.shape[1:]))
        for name, data in columns.items()
    }


def columns_of(records: list[KeyframeRecord], settings: StoreSettings) -> Columns:
    """Records as the map keeps them: images compressed, depth as f16."""
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
    return {name: np.asarray(column, dtype=KEYFRAME_ARRAYS[name]) for name, column in columns.items()}


def _encode(record: KeyframeRecord, quality: int) -> np.ndarray:
    done, jpeg = cv2.imencode(
        ".jpg", cv2.cvtColor(record.image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    if not done:
        raise StoreError(
            f"the image of frame {record.frame} could not be compressed as JPEG; its shape is {record.image.shape}."
        )
    return jpeg


def names_to_press(start: int, stop: int) -> Iterator[str]:
    """Files and folders that hold entries start … stop-1, and the descriptions that count them."""
    for name in KEYFRAME_ARRAYS:
        folder = f"{GROUP}/{name}"
        yield from (f"{folder}/c/{i}" for i in range(start, stop))
        yield f"{folder}/zarr.json"
    yield f"{GROUP}/zarr.json"


def folders_to_press() -> list[str]:
    """Folders whose lists of files grow with every keyframe."""
    return [GROUP, *(f"{GROUP}/{name}{inner}" for name in KEYFRAME_ARRAYS for inner in ("", "/c"))]


def remove_entries(place: Place, start: int, stop: int) -> None:
    """Deletes the files of entries start … stop-1, to give their room back at once."""
    place.remove(f"{GROUP}/{name}/c/{i}" for name in KEYFRAME_ARRAYS for i in range(start, stop))


def drop_uncommitted(place: Place, root: zarr.Group, count: int) -> None:
    """Removes entries from `count` on, which an unfinished commit left."""
    if count == 0:
        place.remove([GROUP])
        return
    check_keyframes(place, root, count)
    for name in KEYFRAME_ARRAYS:
        array = root[GROUP][name]
        if array.shape[0] > count:
            array.resize((count, *array.shape[1:]))


def check_keyframes(place: Place, root: zarr.Group, count: int) -> None:
    """Raises StoreError when the arrays depart from the schema or hold fewer entries than the root counts."""
    group = root.get(GROUP)
    if not isinstance(group, zarr.Group):
        raise damaged(place, f"its root counts {count} keyframes, but the keyframes group is gone")
    check_group(place, group, "keyframes", {GROWING: count})


def arrays(root: zarr.Group) -> list[zarr.Array]:
    """The arrays that together hold the keyframes."""
    return [root[GROUP][name] for name in KEYFRAME_ARRAYS]


def damaged_entries(place: Place, array: zarr.Array, entries: Iterable[int]) -> Iterator[tuple[int, str]]:
    """Entries of one of the arrays that cannot be read, and why. Rising entries are read many at a time while good."""
    entries = list(entries)
    for some in (entries[i : i + _READ_AT_ONCE] for i in range(0, len(entries), _READ_AT_ONCE)):
        if _why_damaged(place, array, some[0], some[-1] + 1) is not None:
            every = ((i, _why_damaged(place, array, i, i + 1)) for i in some)
            yield from ((i, f"{array.path}/c/{i} is damaged: {why}") for i, why in every if why is not None)


def _why_damaged(place: Place, array: zarr.Array, start: int, stop: int) -> str | None:
    try:
        np.asarray(array[start:stop])
    except (*DAMAGE, *place.errors) as error:
        return first_line(error)
    return None


def missing_files(place: Place, root: zarr.Group, start: int, stop: int) -> Iterator[tuple[int, str]]:
    """Entries of start … stop-1 and their files, relative to the map, that are gone."""
    for name in KEYFRAME_ARRAYS:
        array = root[GROUP][name]
        tail = "/0" * (array.ndim - 1)
        entry_of = {f"{array.path}/c/{i}{tail}": i for i in range(start, stop)}
        yield from ((entry_of[file], file) for file in place.missing(entry_of, f"{array.path}/c"))


def read_columns(
    place: Place, root: zarr.Group, start: int, stop: int, names: Iterable[str] = tuple(KEYFRAME_ARRAYS)
) -> Columns:
    """Entries start … stop-1 as the map keeps them. Raises StoreError when files are gone."""
    for _, file in missing_files(place, root, start, stop):
        raise damaged(place, f"{file} is gone")
    return {name: np.asarray(root[GROUP][name][start:stop]) for name in names}


def read_column(root: zarr.Group, name: str, count: int) -> np.ndarray:
    """The first `count` entries of one array of the keyframes group."""
    return np.asarray(root[GROUP][name][:count])


def read_jpeg(place: Place, root: zarr.Group, i: int) -> bytes:
    """The image of entry i as a JPEG file. Raises StoreError when it is gone."""
    for _, file in missing_files(place, root, i, i + 1):
        raise damaged(place, f"{file} is gone")
    group = root[GROUP]
    return np.asarray(group["jpeg"][i, : int(group["jpeg_bytes"][i])]).tobytes()


def read_keyframe(place: Place, root: zarr.Group, i: int) -> KeyframeRecord:
    """Entry i, its image decoded and its arrays as f32. Raises StoreError when it is damaged or files are gone."""
    entry = {name: column[0] for name, column in read_columns(place, root, i, i + 1).items()}
    jpeg = entry["jpeg"][: int(entry["jpeg_bytes"])]
    image = cv2.imdecode(jpeg, cv2.IMREAD_COLOR) if jpeg.size else None
    height, width = (int(n) for n in entry["image_size"])
    if image is None or image.shape[:2] != (height, width):
        raise damaged(place, f"the image of keyframe {i} cannot be decoded")
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
