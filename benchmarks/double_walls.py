"""Whether overlapping submaps show one wall or two: how much of a surface has another one close behind it.

python benchmarks/double_walls.py MAP.zarr
python benchmarks/double_walls.py MAP.zarr --shift-m 0.03    # moves every second submap sideways, as a bad pose would

From points spread evenly over a mesh, rays go inwards, against the normal, half a voxel to twice the truncation deep.
A point counts where one meets a surface that faces the same way (within 45 degrees): the second of two walls. The bound
is the mean of the same share over the submaps alone, where nothing overlaps; what the merging adds is the difference.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from mapping.records import Submap
from mapping.store import MapReader, open_map
from mapping.surface.framing import face_normals
from mapping.surface.merge import merge_submaps
from mapping.surface.mesh import Mesh, extract_mesh
from mapping.surface.raycast import MeshRays
from streammtl.errors import StreamMtlError

SAMPLES = 200_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("map", type=Path)
    parser.add_argument("--shift-m", type=float, default=0.0, help="move every second submap (default: %(default)s)")
    options = parser.parse_args()
    try:
        measure(open_map(options.map), options.shift_m)
    except StreamMtlError as error:
        print(f"double_walls: {error}", file=sys.stderr)
        return 1
    return 0


def measure(reader: MapReader, shift_m: float) -> None:
    header = reader.header
    deep = 2 * header.truncation_m
    merged = _mesh(_moved(reader, shift_m), header.voxel_size_m, header.truncation_m)
    alone, weights = [], []
    for submap in _moved(reader, shift_m):
        mesh = _mesh([submap], header.voxel_size_m, header.truncation_m)
        if len(mesh.faces):
            alone.append(doubled_share(mesh, header.voxel_size_m, deep))
            weights.append(len(mesh.faces))
    print(f"submaps {len(weights)}, faces {len(merged.faces)} merged, {sum(weights)} in submaps")
    print(
        f"second surface within {deep:g} m behind, merged map: {doubled_share(merged, header.voxel_size_m, deep):.4f}"
    )
    print(f"the same, mean of submaps alone:                   {np.average(alone, weights=weights):.4f}")


def doubled_share(mesh: Mesh, voxel_m: float, deep_m: float) -> float:
    """Share of the surface behind which lies another surface that faces the same way."""
    normals = face_normals(mesh)
    area = np.linalg.norm(normals, axis=1)
    normals /= np.maximum(area, 1e-12)[:, None]
    face = np.random.default_rng(0).choice(len(area), SAMPLES, p=area / area.sum())
    points = mesh.vertices[mesh.faces[face]].mean(1)
    hits = MeshRays(mesh).cast(points - 0.5 * voxel_m * normals[face], -normals[face])
    met = np.isfinite(hits.distance) & (hits.distance < deep_m)
    same = (normals[np.maximum(hits.face, 0)] * normals[face]).sum(1) > np.sqrt(0.5)
    return float((met & same).mean())


def _moved(reader: MapReader, shift_m: float) -> Iterable[Submap]:
    for i, submap in enumerate(reader.submaps()):
        if i % 2 and shift_m:
            T = submap.T_world_submap.copy()
            T[:3, 3] += shift_m / np.sqrt(3)
            submap = replace(submap, T_world_submap=T)
        yield submap


def _mesh(submaps: Iterable[Submap], voxel_m: float, truncation_m: float) -> Mesh:
    return extract_mesh(merge_submaps(submaps, voxel_m, truncation_m), voxel_m)


if __name__ == "__main__":
    sys.exit(main())
