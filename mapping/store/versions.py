"""Layout versions: how the root of an older map reads as one of today.

Arrays say by their own type how they are encoded, so old submaps need no rewriting to be read; `streammtl migrate`
rewrites them all the same, for the checksums and types of today.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mapping.store.header import LAYOUT_VERSION, SCHEMA


def upgraded(attribute: dict[str, Any]) -> dict[str, Any]:
    """The root attribute of a map of any known version, as the newest version writes it; `upgraded_from` says more."""
    version = attribute["version"]
    if version == LAYOUT_VERSION:
        return attribute
    for older in range(version, LAYOUT_VERSION):
        attribute = _UPGRADES[older](attribute)
    return attribute | {"version": LAYOUT_VERSION, "schema": SCHEMA, "upgraded_from": version}


def _from_1(attribute: dict[str, Any]) -> dict[str, Any]:
    """Version 1 had no checksums, neither in the root nor behind its chunks."""
    return attribute | {"checksum": ""}


_UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _from_1}
