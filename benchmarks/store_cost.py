"""What checksums and durability cost: a submap written, read and committed with and without each, in turn.

python benchmarks/store_cost.py [--blocks 8192] [--turns 7] [--folder DIR]

Checksums: CPU seconds of writing and reading the arrays of one submap with noisy voxels, by the codecs of the store and
by the same without CRC-32C. Durability: wall seconds of one commit (a submap, ten keyframes), with and without fsync.
The smallest of all turns counts; bytes are those before compression.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import zarr
from zarr.abc.codec import BytesBytesCodec
from zarr.codecs import BloscCodec, Crc32cCodec

from mapping.fusion.precision import to_stored
from mapping.records import Blocks, KeyframeRecord, Submap
from mapping.store import MapHeader, MapWriter, StoreSettings
from streammtl.camera import Camera


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=8192)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--folder", type=Path, help="where to write; the disk decides what fsync costs")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="store_cost_", dir=options.folder))
    try:
        blocks = noisy_blocks(options.blocks)
        report = {"blocks": options.blocks, "checksums": checksums(blocks, folder, options.turns)}
        report["durability"] = durability(blocks, folder, options.turns)
    finally:
        shutil.rmtree(folder)
    json.dump(report, sys.stdout, indent=2)
    print()


def noisy_blocks(count: int) -> Blocks:
    """Blocks about as hard to compress as those of a real sensor: a smooth field with noise in its last digits."""
    rng = np.random.default_rng(0)
    cube = (count, 8, 8, 8)
    slope = np.linspace(-1, 1, 8)[:, None, None]
    return Blocks(
        index=np.stack(np.unravel_index(np.arange(count), (1024, 1024, 1024)), -1).astype(np.int32),
        tsdf=(slope + rng.normal(0, 0.02, cube)).clip(-1, 1).astype(np.float32),
        weight=rng.uniform(1, 20, cube).astype(np.float32),
        colour=(128 + rng.normal(0, 6, (*cube, 3))).astype(np.uint8),
        label_ids=np.broadcast_to(np.array([5, 2, 0, 0], np.uint8), (*cube, 4)).copy(),
        label_weights=rng.uniform(0, 20, (*cube, 4)).astype(np.float32),
    )


def checksums(blocks: Blocks, folder: Path, turns: int) -> dict[str, float]:
    arrays = to_stored(blocks)
    compressor = BloscCodec(cname="lz4", shuffle="shuffle")
    codecs = {"with": (compressor, Crc32cCodec()), "without": (compressor,)}
    cpu: dict[str, list[float]] = {}
    for _ in range(turns):
        for name, chain in codecs.items():
            path = folder / f"{name}.zarr"
            wrote = cpu_seconds(lambda path=path, chain=chain: write(path, arrays, chain))
            read = cpu_seconds(lambda path=path: [array[:] for _, array in zarr.open_group(path, mode="r").arrays()])
            cpu.setdefault(f"write_{name}_cpu_ms", []).append(wrote)
            cpu.setdefault(f"read_{name}_cpu_ms", []).append(read)
    best = {name: round(min(times) * 1e3, 1) for name, times in sorted(cpu.items())}
    return {"megabytes": round(sum(array.nbytes for array in arrays.values()) / 1e6, 1), **best}


def write(path: Path, arrays: dict[str, np.ndarray], codecs: tuple[BytesBytesCodec, ...]) -> None:
    """The arrays of a submap, chunked as the store does."""
    group, settings = zarr.open_group(path, mode="w"), StoreSettings()
    for name, data in arrays.items():
        group.create_array(
            name,
            shape=data.shape,
            dtype=data.dtype,
            chunks=(settings.blocks_per_chunk, *data.shape[1:]),
            shards=(settings.blocks_per_shard, *data.shape[1:]),
            compressors=codecs,
            config={"write_empty_chunks": True},
        )[:] = data


def durability(blocks: Blocks, folder: Path, turns: int) -> dict[str, float]:
    wall: dict[str, list[float]] = {"durable": [], "not_durable": []}
    for turn in range(turns):
        for name, durable in (("durable", True), ("not_durable", False)):
            path = folder / f"{name}{turn}.zarr"
            header = MapHeader(voxel_size_m=0.02, truncation_m=0.08)
            with MapWriter.create(path, header, StoreSettings(durable=durable)) as writer:
                submap = Submap(0, 0, np.eye(4), blocks, closed=False)
                keyframes = [keyframe(i) for i in range(10)]
                writer.commit(submaps=[submap], keyframes=keyframes)  # the first one makes the arrays
                keyframes = [keyframe(i) for i in range(10, 20)]
                start = time.perf_counter()
                writer.commit(submaps=[submap], keyframes=keyframes)
                wall[name].append(time.perf_counter() - start)
            shutil.rmtree(path)
    return {f"commit_{name}_ms": round(min(times) * 1e3, 1) for name, times in wall.items()}


def keyframe(i: int) -> KeyframeRecord:
    rng = np.random.default_rng(i)
    image = rng.integers(100, 140, (480, 640, 3), dtype=np.uint8)
    depth = rng.uniform(1, 3, (240, 320)).astype(np.float32)
    camera = Camera.pinhole(640, 480, 525.0, 525.0, 319.5, 239.5)
    labels = np.full(depth.shape, 3, np.uint8)
    return KeyframeRecord(i, i / 30, 0, np.eye(4), camera, image, depth, np.ones_like(depth), labels)


def cpu_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    main()
