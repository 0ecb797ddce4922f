"""A map that is being written is shown as it is, and only what changed is read, meshed and sent anew."""

from __future__ import annotations

import gzip
import itertools

import numpy as np
import pytest

from mapping.records import Blocks, FrameRecord, Submap
from mapping.slam.tracked import TrackStatus
from mapping.store import MapHeader, MapWriter, StoreSettings
from mapping.surface.growing import GrowingSurface
from mapping.surface.mesh import extract_mesh
from streammtl.views import ScaleStatus
from tests.mapping.surface.distance_fields import filled_blocks, sphere

VOXEL, TRUNCATION = 0.05, 0.2


def ball(centre: tuple[float, float, float]) -> Blocks:
    return filled_blocks(sphere(0.5, centre), (-4, -4, -4), (4, 4, 4), VOXEL, TRUNCATION)


def submap(number: int, blocks: Blocks, closed: bool = False) -> Submap:
    T = np.eye(4)
    T[:3, 3] = 0.4 * number, 0, 0
    looking_down = np.array([[1, 0, 0, 0], [0, 0.8, 0.6, 0], [0, -0.6, 0.8, 0], [0, 0, 0, 1.0]])
    frames = [FrameRecord(number, 0.0, looking_down, TrackStatus.TRACKED, ScaleStatus.METRIC, True)]
    return Submap(number, 0, T, blocks, frames, closed)


@pytest.fixture
def writer(tmp_path):
    header = MapHeader(voxel_size_m=VOXEL, truncation_m=TRUNCATION)
    with MapWriter.create(tmp_path / "map.zarr", header, StoreSettings(durable=False)) as writer:
        yield writer


def unpacked(piece: bytes) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Positions, normals, colours with labels, and corners of a packed piece."""
    data = gzip.decompress(piece)
    n, m = np.frombuffer(data, "<u4", 2)
    ends = np.cumsum([8, 12 * n, 4 * n, 4 * n, 12 * m])
    assert ends[-1] == len(data)
    parts = [data[a:b] for a, b in itertools.pairwise(ends)]
    return (
        np.frombuffer(parts[0], "<f4").reshape(-1, 3),
        np.frombuffer(parts[1], np.int8).reshape(-1, 4)[:, :3] / 127,
        np.frombuffer(parts[2], np.uint8).reshape(-1, 4),
        np.frombuffer(parts[3], "<u4").reshape(-1, 3),
    )


def pieces(surface: GrowingSurface, number: int, after: int = 0) -> dict[tuple[int, int, int], bytes]:
    named = surface.changes(after)["submaps"][number]["pieces"]
    return {(x, y, z): surface.piece(number, (x, y, z)) for x, y, z, _, size in named if size}


def test_what_is_sent_is_the_mesh_of_the_submap(writer):
    surface = GrowingSurface(writer.path)
    writer.commit(submaps=[submap(0, ball((0.1, 0, 0)))])
    assert surface.update() and not surface.update()
    sent = [unpacked(piece) for piece in pieces(surface, 0).values()]
    whole = extract_mesh(ball((0.1, 0, 0)), VOXEL)
    assert len(sent) == 8 and sum(len(corners) for *_, corners in sent) == len(whole.faces)
    rows = {tuple(row) for positions, *_ in sent for row in positions.tolist()}
    radius = np.linalg.norm(np.array(sorted(rows)) - (0.1, 0, 0), axis=1)
    assert len(rows) == len(whole.vertices) and np.abs(radius - 0.5).max() < 0.01
    for positions, normals, colours, corners in sent:
        outward = (positions - (0.1, 0, 0)) / 0.5
        assert ((normals * outward).sum(1) > 0.95).all() and corners.max() < len(positions)
        assert len(colours) == len(positions)
    up, ahead = (surface.changes(0)["submaps"][0][name] for name in ("up", "ahead"))
    assert np.dot(up, (0, -1, 0)) > 0.7 and np.allclose(ahead, (0, 0.6, 0.8))


def test_only_what_changed_is_sent_again_and_a_moved_anchor_is_a_matrix(writer):
    surface = GrowingSurface(writer.path)
    blocks = ball((0.1, 0, 0))
    writer.commit(submaps=[submap(0, blocks, closed=True), submap(1, blocks)])
    surface.update()
    seen = surface.changes(0)["version"]
    changed = Blocks(*(array.copy() for array in vars(blocks).values()))
    corner = np.flatnonzero((changed.index == (1, 1, 1)).all(1))
    changed.colour[corner] = 200
    moved = np.eye(4)
    moved[:3, 3] = 1, 2, 3
    writer.commit(submaps=[submap(1, changed)], anchors={0: moved})
    assert surface.update()
    assert list(pieces(surface, 0, seen)) == [] and list(pieces(surface, 1, seen)) == [(0, 0, 0)]
    assert (unpacked(pieces(surface, 1)[0, 0, 0])[2] == 200).any()
    assert surface.changes(seen)["submaps"][0]["anchor"] == moved.ravel().tolist()
    nothing = Blocks(*(array[:0] for array in vars(blocks).values()))
    writer.commit(submaps=[submap(1, nothing)])
    surface.update()
    assert {size for *_, size in surface.changes(seen)["submaps"][1]["pieces"]} == {0}
    assert surface.piece(1, (0, 0, 0)) is None


def test_memory_for_pieces_is_bounded_and_the_newest_submaps_stay(writer):
    blocks = ball((0.1, 0, 0))
    writer.commit(submaps=[submap(0, blocks)])
    whole = GrowingSurface(writer.path)
    whole.update()
    one = sum(map(len, pieces(whole, 0).values()))
    writer.commit(submaps=[submap(n, blocks, closed=True) for n in range(4)])
    bounded = GrowingSurface(writer.path, most_bytes=2 * one)
    bounded.update()
    assert [len(pieces(bounded, n)) for n in range(4)] == [0, 0, 8, 8]
    assert not bounded.update()  # what was forgotten is not read again


def test_a_map_that_is_not_there_yet_is_waited_for(tmp_path):
    surface = GrowingSurface(tmp_path / "later.zarr")
    assert not surface.update() and surface.changes(0) == {"version": 0, "submaps": []}
    assert surface.piece(0, (0, 0, 0)) is None
