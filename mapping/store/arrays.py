"""One array or one group at a time: how arrays are chunked, read back whole, and pressed onto the disk."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import zarr
from zarr.codecs import BloscCodec
from zarr.core.sync import sync

from mapping.store.root import sync_path
from streammtl.errors import StoreError

CHUNK_BYTES = 16 << 20
_SYNC_THREADS = 16
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
    compressor = BloscCodec(cname="lz4", shuffle="shuffle") if np.dtype(dtype).kind in "biufc" else "auto"
    return group.create_array(
        name,
        shape=shape,
        dtype=dtype,
        chunks=chunks,
        shards=shards,
        compressors=compressor,
        attributes=attributes,
        config=_CONFIG,
    )


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


def settle_writes() -> None:
    """Waits for writes that Zarr still has under way in its own thread; when one fails, it does not stop the others."""

    async def others() -> None:
        pending = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*pending, return_exceptions=True)

    sync(others())


def chunk_files(array: zarr.Array, start: int = 0) -> Iterator[str]:
    """Paths, relative to the array's folder, of the files that hold its data from row `start` of files on."""
    outer = array.shards or array.chunks
    grid = [-(-size // step) for size, step in zip(array.shape, outer, strict=True)]
    if not grid:
        yield "c"
        return
    for position in np.ndindex(max(0, grid[0] - start), *grid[1:]):
        yield "/".join(["c", str(position[0] + start), *map(str, position[1:])])


def array_folder(root: Path, array: zarr.Array) -> Path:
    return root / array.path


def read_array(root: Path, group: zarr.Group, name: str) -> np.ndarray:
    """A whole array. Raises StoreError where files of it are gone, which Zarr itself reads as zeros."""
    array = group[name]
    if not isinstance(array, zarr.Array):
        raise StoreError(f"{group.path}/{name} in the map {root} is not an array.")
    for file in chunk_files(array):
        if not (array_folder(root, array) / file).exists():
            raise StoreError(
                f"the map {root} is damaged: {array.path}/{file} is gone. Restore it from a copy, or map again."
            )
    return np.asarray(array[...])


def tree(folder: Path) -> Iterator[Path]:
    """Every file and folder below (and including) `folder`."""
    for parent, _, files in os.walk(folder):
        yield from (Path(parent, file) for file in files)
        yield Path(parent)


def sync_paths(paths: Iterable[Path]) -> None:
    """Presses files and folders onto the disk, many at a time, so that one journal write serves several of them."""
    with ThreadPoolExecutor(_SYNC_THREADS) as pool:
        for _ in pool.map(sync_path, paths):
            pass
