"""Imports go one way, fragile libraries stay in their rooms, files stay short."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("streammtl", "recordings", "mapping", "pipelines")
MAY_IMPORT = {
    "streammtl": set(),
    "recordings": {"streammtl"},
    "mapping": {"streammtl"},
    "pipelines": {"streammtl", "recordings", "mapping"},
}
CONFINED = {
    "pycolmap": ("mapping/slam/colmap",),
    "zarr": ("mapping/store/",),
    "ray": ("pipelines/actors.py", "pipelines/ray_training.py"),
    "open3d": ("mapping/surface/", "mapping/evaluation/"),
    "gtsam": ("mapping/slam/pose_graph.py",),
    "numba": ("streammtl/kernel_threads.py", "streammtl/crossview/sweep_kernels.py", "mapping/", "pipelines/"),
    "triton": ("streammtl/crossview/cost_volume_triton.py",),
    "diffusers": ("streammtl/stablemtl/diffusion.py",),
    "transformers": ("streammtl/stablemtl/diffusion.py",),
}
PERCEPTION_MAY_USE = {"torch", "timm", "numpy", "pydantic", "safetensors", "torchvision"}
PERCEPTION_MAY_USE |= {"triton", "numba", "diffusers", "transformers"}  # confined above, and optional
# Textures of fetched furniture are pictures; training reads finished clips.
ROOMS_MAY_USE = {"PIL"}
FILES = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py")) if "samples" not in path.parts]


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_the_rooms_below_it(room):
    others = set(ROOMS) - {room} - MAY_IMPORT[room]
    found = [
        (str(path.relative_to(ROOT)), name)
        for path in FILES
        if path.relative_to(ROOT).parts[0] == room
        for name in imported(path)
        if name.split(".")[0] in others
    ]
    assert found == []


def test_recordings_import_only_the_nouns_of_perception():
    allowed = {"streammtl.views", "streammtl.camera", "streammtl.errors", "streammtl"}
    found = [
        (path.name, name)
        for path in FILES
        if path.relative_to(ROOT).parts[0] == "recordings"
        for name in imported(path)
        if name.startswith("streammtl") and name not in allowed
    ]
    assert found == []


@pytest.mark.parametrize("library", sorted(CONFINED))
def test_a_library_that_changes_often_is_imported_in_one_place(library):
    found = [
        str(path.relative_to(ROOT))
        for path in FILES
        if any(name.split(".")[0] == library for name in imported(path))
        and not str(path.relative_to(ROOT)).startswith(CONFINED[library])
    ]
    assert found == []


def test_perception_needs_torch_timm_numpy_and_pydantic_only():
    import sys

    outside = {
        (str(path.relative_to(ROOT)), name.split(".")[0])
        for path in FILES
        if path.relative_to(ROOT).parts[0] == "streammtl"
        for name in imported(path)
        if name.split(".")[0] not in sys.stdlib_module_names | PERCEPTION_MAY_USE | {"streammtl"}
        and not (path.is_relative_to(ROOT / "streammtl/data/rooms") and name.split(".")[0] in ROOMS_MAY_USE)
    }
    assert outside == set()


def test_files_are_short():
    lengths = sorted(len(path.read_text().splitlines()) for path in FILES)
    assert lengths[len(lengths) // 2] <= 120
    assert [str(p.relative_to(ROOT)) for p in FILES if len(p.read_text().splitlines()) > 400] == []


def test_nothing_is_called_utils():
    assert [str(path) for path in FILES if "util" in path.name] == []


def test_nothing_is_pickled():
    unsafe = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal"}
    assert [path for path in FILES if unsafe & {name.split(".")[0] for name in imported(path)}] == []
