"""Furniture models: polygons, conversion from OBJ, the package, the library."""

import io
import lzma
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from streammtl.data.rooms.furniture import FurnitureLibrary, package, table
from streammtl.data.rooms.furniture.convert import convert
from streammtl.data.rooms.furniture.polygons import merge_tiny, triangulate, triangulate_all
from streammtl.data.rooms.style import any_style
from streammtl.data.rooms.supply import Supply
from streammtl.errors import DataError

# A box 2 x 4 x 6 (x, y, z) with an L-shaped front of its own material, a clear pane, and a stray vertex far away.
OBJ = """mtllib thing.mtl
v 0 0 0
v 2 0 0
v 2 4 0
v 0 4 0
v 0 0 6
v 2 0 6
v 2 4 6
v 1 4 6
v 1 2 6
v 0 2 6
v 900 900 900
vt 0 0
vt 1 0
vt 1 1
usemtl body
f 1 4 3 2
f 1/1 2/2 6/3
usemtl front
f 5 6 7 8 9 10
usemtl glass
f 1 5 10 4
"""
MTL = """newmtl body
Kd 1 1 1
map_Kd wood.png
newmtl front
Kd 0.5 0.25 0.0
newmtl glass
d 0.2
"""


def row(**changes):
    values = {
        "uid": "Test/1",
        "name": "Thing",
        "nyu40_id": "3",
        "part_labels": "front=8",
        "placement": "floor",
        "rooms": "kitchen;office",
        "width_m": "0.5",
        "depth_m": "0.4",
        "height_m": "0.9",
        "elevation_m": "0",
        "drop_on_top_m": "",
        "model_rotation": "",
        "archive": "Test",
        "obj_path": "thing/thing.obj",
        "triangles": "8",
        "licence": "CC0-1.0",
    }
    return table._row({**values, **changes})


@pytest.fixture
def archive():
    picture = io.BytesIO()
    Image.fromarray(np.full((400, 300, 3), 90, np.uint8)).save(picture, "PNG")
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as out:
        out.writestr("thing/thing.obj", OBJ)
        out.writestr("thing/thing.mtl", MTL)
        out.writestr("thing/wood.png", picture.getvalue())
    return zipfile.ZipFile(memory)


def area(corners):
    return 0.5 * np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum()


def star(rng, count):
    """A simple polygon around the origin, concave as a rule, somewhere in space."""
    turn = (np.arange(count) + rng.uniform(0, 0.8, count)) / count * 2 * np.pi
    radius = rng.uniform(0.2, 1.0, count)
    flat = np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=1)
    x, y = flat.T
    exact = 0.5 * abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))
    frame = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    return flat @ frame[:2] + rng.normal(size=3), exact


def test_ears_cover_a_polygon_exactly_once():
    rng = np.random.default_rng(0)
    for count in (3, 4, 5, 6, 9, 14) * 12:
        corners, exact = star(rng, count)
        triangles = np.array(triangulate(corners))
        assert triangles.shape == (count - 2, 3)
        assert area(corners[triangles]) == pytest.approx(exact, rel=1e-6)


def test_many_polygons_at_once_are_split_as_one_by_one():
    rng = np.random.default_rng(1)
    for count in (3, 4, 5, 8):
        polygons = [star(rng, count)[0] for _ in range(40)]
        vertices = np.concatenate(polygons)
        faces = np.arange(len(vertices)).reshape(-1, count)
        triangles, owner = triangulate_all(vertices, faces)
        soup = vertices[np.take_along_axis(faces[owner], triangles, axis=1)]
        for k, polygon in enumerate(polygons):
            assert area(soup[owner == k]) == pytest.approx(area(polygon[np.array(triangulate(polygon))]), rel=1e-9)


def test_merging_keeps_below_the_limit_and_near_the_surface():
    turn = np.linspace(0, 2 * np.pi, 65)
    rings = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    low, high = (np.column_stack([rings, np.full(65, z)]) for z in (0.0, 1.0))
    soup = np.concatenate(
        [np.stack([low[:-1], low[1:], high[1:]], axis=1), np.stack([low[:-1], high[1:], high[:-1]], axis=1)]
    )
    merged, kept = merge_tiny(soup, 60)
    assert 10 < len(merged) <= 60 and len(merged) == len(kept)
    radius = np.hypot(merged[..., 0], merged[..., 1])
    assert np.abs(radius - 1).max() < 0.2
    same, every = merge_tiny(soup, 500)
    assert same is soup and len(every) == len(soup)


def test_a_model_gets_its_catalogue_size_and_looks_along_plus_y(archive, tmp_path):
    file = tmp_path / "model.npz"
    convert(archive, row(), file)
    with np.load(file, allow_pickle=False) as model:
        corners, label, colour = model["corners"], model["label"], model["colour"]
        np.testing.assert_allclose(corners.min(axis=(0, 1)), [-0.25, 0.0, 0.0], atol=1e-6)
        np.testing.assert_allclose(corners.max(axis=(0, 1)), [0.25, 0.4, 0.9], atol=1e-6)
        front = corners[label == 8]
        np.testing.assert_allclose(front[..., 1], 0.4, atol=1e-6)
        # The L lacks the quarter that is upper left in the file's frame: upper and at +x here.
        assert area(front) == pytest.approx(0.75 * 0.5 * 0.9, rel=1e-5)
        centres = front.mean(axis=1)
        assert not ((centres[:, 0] > 0) & (centres[:, 2] > 0.45)).any()
        assert set(label.tolist()) == {3, 8}
        assert (corners[..., 0].max(axis=1) - corners[..., 0].min(axis=1) > 1e-6).all(), "the clear pane is gone"
        np.testing.assert_allclose(colour[1], [0.5, 0.25, 0.0])
        assert model["texture_0"].shape == (256, 192, 3)


def test_a_rotation_is_applied_before_measuring(archive, tmp_path):
    turned = row(model_rotation="0 0 1 0 1 0 -1 0 0")
    convert(archive, turned, tmp_path / "model.npz")
    with np.load(tmp_path / "model.npz") as model:
        np.testing.assert_allclose(np.ptp(model["corners"], axis=(0, 1)), [0.5, 0.4, 0.9], atol=1e-6)
        # +z of the file became +x of the file: the left here.
        np.testing.assert_allclose(model["corners"][model["label"] == 8][..., 0], -0.25, atol=1e-6)


def debian_package(path, members):
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as out:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
    data = lzma.compress(tar.getvalue())
    body = b"!<arch>\n"
    for name, content in (("debian-binary", b"2.0\n"), ("control.tar.xz", b"odd"), ("data.tar.xz", data)):
        body += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode() + content
        body += b"\n" * (len(content) % 2)
    path.write_bytes(body)


def test_only_archives_of_furniture_leave_the_package_and_only_into_the_folder(tmp_path):
    deb, out = tmp_path / "x.deb", tmp_path / "out"
    out.mkdir()
    debian_package(deb, {"./usr/share/Scopia.sh3f": b"one", "../../evil.sh3f": b"two", "./usr/bin/tool": b"three"})
    found = package.unpack(deb, out)
    assert {name: path.read_bytes() for name, path in found.items()} == {"Scopia": b"one", "evil": b"two"}
    assert {path.parent for path in found.values()} == {out}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "x.deb"]


def test_a_wrong_package_is_refused(tmp_path):
    file = tmp_path / "x.deb"
    file.write_bytes(b"nothing")
    with pytest.raises(DataError, match="sha256"):
        package.check(file)
    with pytest.raises(DataError, match="not a Debian package"):
        package.unpack(file, tmp_path)


def test_the_table_is_whole():
    rows = table.rows()
    assert len(rows) > 650 and len({r.uid for r in rows}) == len(rows)
    for r in rows:
        assert 1 <= r.label <= 40 and min(r.size_m) > 0
        assert r.placement in {"floor", "on_furniture", "wall", "ceiling", "door_or_window"}
        assert len(r.rotation) in (0, 9) and all(1 <= label <= 40 for _, label in r.part_labels)


@pytest.fixture
def library(archive, tmp_path, monkeypatch):
    rows = (row(), row(uid="Test/2", licence="CC-BY-3.0"), row(uid="Test/3", rooms="bedroom", part_labels=""))
    monkeypatch.setattr(table, "rows", lambda: rows)
    for r in rows:
        convert(archive, r, tmp_path / r.file_name)
    return tmp_path


def test_a_library_can_be_kept_to_models_free_of_conditions(library):
    assert [r.uid for r in FurnitureLibrary(library).rows] == ["Test/1", "Test/2", "Test/3"]
    assert [r.uid for r in FurnitureLibrary(library, only_cc0=True).rows] == ["Test/1", "Test/3"]


def test_a_library_chooses_by_room_label_and_size_and_forgets_what_is_old(library):
    models, rng = FurnitureLibrary(library, keep=1), np.random.default_rng(0)
    assert {models.choose(rng, "floor", "bedroom").uid for _ in range(9)} == {"Test/3"}
    assert models.choose(rng, "floor", "bathroom") is None
    assert models.choose(rng, "floor", "kitchen", labels=(7,)) is None
    assert models.choose(rng, "floor", "kitchen", largest=(0.4, 1, 1)) is None
    one = models.model(models.rows[0])
    assert models.model(models.rows[0]) is one
    models.model(models.rows[2])
    assert models.model(models.rows[0]) is not one


def test_a_damaged_model_is_named(library):
    file = library / "Test_1.npz"
    file.write_bytes(file.read_bytes()[:200])
    models = FurnitureLibrary(library)
    with pytest.raises(DataError, match="Test_1"):
        models.model(models.rows[0])


def test_a_dressed_model_scales_evenly_and_spends_the_budget(library):
    rng = np.random.default_rng(5)
    supply = Supply(rng, any_style(rng), FurnitureLibrary(library), "bedroom", triangles=12)
    piece = supply.model((3,))
    extent = np.ptp(piece.models[0].corners, axis=(0, 1))
    np.testing.assert_allclose(extent, piece.size, rtol=1e-5)
    np.testing.assert_allclose(np.array(piece.size) / [0.5, 0.4, 0.9], piece.size[0] / 0.5, rtol=1e-6)
    assert supply.left == 12 - len(piece.models[0].corners)
    assert supply.model((3,)) is None
