"""`streammtl info`: what is in a map, and whether it holds to the schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mapping.store.reader import open_map
from mapping.store.validate import validate_map


def describe_map(path: Path) -> tuple[dict[str, Any], list[str]]:
    """(summary, problems); no problems means that the map is valid.

    Raises: StoreError when there is no map to speak of, VersionError for one of a newer version.
    """
    return open_map(path).summary(), validate_map(path)
