"""A sound map that tests may damage."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mapping.store import MapWriter, StoreSettings
from tests.mapping.store.tiny_maps import commit_number, header


@pytest.fixture(scope="session")
def sound(tmp_path_factory) -> Path:
    """Ten commits: two closed submaps, an open one, and the derived trajectory. To be left as it is."""
    path = tmp_path_factory.mktemp("template") / "map.zarr"
    with MapWriter.create(path, header(), StoreSettings(durable=False)) as writer:
        for n in range(1, 11):
            writer.commit(**commit_number(n))
        writer.write_trajectory()
    return path


@pytest.fixture
def path(tmp_path, sound) -> Path:
    """A copy of the sound map, to be damaged."""
    return shutil.copytree(sound, tmp_path / "map.zarr")
