"""A room of mixed use."""

from __future__ import annotations

from streammtl.data.rooms.layout.placing import Layout
from streammtl.data.rooms.programmes import zones
from streammtl.data.rooms.style import Style


def furnish(layout: Layout, style: Style) -> None:
    """Tables, desks, shelves, cabinets and clutter."""
    rng = layout.rng
    zones.dining(layout, style, int(rng.integers(4, 14)))
    zones.desks_at_walls(layout, style, int(rng.integers(0, 3)))
    zones.shelves_at_walls(layout, style, int(rng.integers(1, 4)))
    zones.cabinets_at_walls(layout, style, int(rng.integers(1, 4)))
