"""A map with known things in it, for what is read out of maps."""

from __future__ import annotations

import pytest

from mapping.store import MapReader, open_map
from tests.mapping.two_rooms import write_two_rooms


@pytest.fixture(scope="session")
def two_rooms(tmp_path_factory) -> MapReader:
    """Two furnished rooms with a door between them; see two_rooms.py."""
    path = tmp_path_factory.mktemp("two_rooms") / "map.zarr"
    write_two_rooms(path)
    return open_map(path)
