"""One array or one group at a time: how arrays are chunked and read back whole."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import numpy as np
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec, ZstdCodec
from zarr.core.sync import sync

from mapping.store.damage import damaged
from mapping.store.place import Place

CHUNK_BYTES = 16 << 20
# Zarr reads an absent chunk as zeros. Ours are all written, so that an absent file is a loss that can be seen.
_CONFIG = {"write_empty_chunks": True}


def create_array(
    group: zarr.Group,
    name: str,
    shape: tuple[int, ...],
    dtype: np.dtype | type,
    chunks: tuple[int, ...],
    shards: tuple[int, ...] | None = None,
    attributes: dict[str, object] | None = None,
) -> zarr.Array:
    """A new array. A checksum (CRC-32C) follows each of its chunks, so that no reader takes a flipped byte for data."""
    numbers = dtype is not str and np.dtype(dtype).kind in "biufc"
    compressor = BloscCodec(cname="lz4", shuffle="shuffle") if numbers else ZstdCodec()
    return group.create_array(
        name,
        shape=shape,
        dtype=dtype,
        chunks=chunks,
        shards=shards,
        compressors=(compressor, Crc32cCodec()),
        attributes=attributes,
        config=_CONFIG,
    )


def has_checksums(array: zarr.Array) -> bool:
    """Whether a flipped byte in a chunk shows for certain; arrays of layout version 1 have none."""
    return any(isinstance(codec, Crc32cCodec) for codec in array.compressors)


def open_to_append(group: zarr.Group, name: str) -> zarr.Array:
    """An existing array that keeps writing chunks of nothing but zeros."""
    return group[name].with_config(_CONFIG)


def write_array(group: zarr.Group, name: str, data: np.ndarray, attributes: dict[str, object] | None = None) -> None:
    """Writes a whole array in chunks of at most 16 MiB along its first axis."""
    rows = max(1, CHUNK_BYTES // max(1, data[:1].nbytes)) if data.ndim else 1
    chunks = tuple(max(1, n) for n in (min(rows, data.shape[0]), *data.shape[1:])) if data.ndim else ()
    array = create_array(group, name, data.shape, data.dtype, chunks, attributes=attributes)
    if data.size:
        array[...] = data


class RowWriter:
    """A new array that grows along its first axis, in chunks of at most 16 MiB; holds less than one of them."""

    def __init__(self, group: zarr.Group, name: str, dtype: type, row: tuple[int, ...]) -> None:
        self._group, self._name = group, name
        self._rows = CHUNK_BYTES // (np.dtype(dtype).itemsize * int(np.prod(row)))
        self._array: zarr.Array | None = None
        self._waiting = np.zeros((0, *row), dtype)

    def append(self, data: np.ndarray) -> None:
        """Adds rows; whole chunks are written."""
        self._waiting = np.concatenate([self._waiting, data.astype(self._waiting.dtype, copy=False)])
        if len(self._waiting) >= self._rows:
            self._write(len(self._waiting) // self._rows * self._rows)

    def close(self) -> None:
        """Writes the rest."""
        if self._array is None:
            self._rows = max(1, len(self._waiting))
        self._write(len(self._waiting))

    def _write(self, count: int) -> None:
        row, dtype = self._waiting.shape[1:], self._waiting.dtype
        if self._array is None:
            self._array = create_array(self._group, self._name, (0, *row), dtype, (self._rows, *row))
        start = self._array.shape[0]
        self._array.resize((start + count, *row))
        if count:
            self._array[start:] = self._waiting[:count]
        self._waiting = self._waiting[count:].copy()


def settle_writes() -> None:
    """Waits for writes that Zarr still has under way in its own thread; when one fails, it does not stop the others."""

    async def others() -> None:
        pending = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*pending, return_exceptions=True)

    sync(others())


def missing_chunks(place: Place, array: zarr.Array) -> Iterator[str]:
    """Files of the array, relative to the map, that are gone."""
    return place.missing((f"{array.path}/{file}" for file in chunk_files(array)), array.path)


def chunk_files(array: zarr.Array) -> Iterator[str]:
    """Paths, relative to the array's folder, of the files that hold its data."""
    outer = array.shards or array.chunks
    grid = [-(-size // step) for size, step in zip(array.shape, outer, strict=True)]
    if not grid:
        yield "c"
        return
    for position in np.ndindex(*grid):
        yield "/".join(["c", *map(str, position)])


def read_array(place: Place, group: zarr.Group, name: str) -> np.ndarray:
    """A whole array. Raises StoreError where files of it are gone, which Zarr itself reads as zeros."""
    array = group[name]
    if not isinstance(array, zarr.Array):
        raise damaged(place, f"{group.path}/{name} is not an array")
    return read_member(place, array)


def read_member(place: Place, array: zarr.Array) -> np.ndarray:
    """A whole array that is open already. Raises as `read_array`."""
    for file in missing_chunks(place, array):
        raise damaged(place, f"{file} is gone")
    return np.asarray(array[...])
