"""Builds a furnished room from a seed."""

from __future__ import annotations

import numpy as np

from streammtl.data.rooms.layout.lamps import add_ceiling_lamps
from streammtl.data.rooms.layout.openings import add_openings
from streammtl.data.rooms.layout.placing import Layout
from streammtl.data.rooms.layout.plan import KINDS, outline
from streammtl.data.rooms.layout.shell import build_shell
from streammtl.data.rooms.programmes import anything, zones
from streammtl.data.rooms.scene import Scene
from streammtl.data.rooms.style import any_style
from streammtl.errors import ConfigError


def build_room(seed: int, furniture: object | None = None, kind: str | None = None) -> Scene:
    """A room of the given kind, or of any, full of things. The same arguments give the same room, bit for bit."""
    rng = np.random.default_rng([seed, 20])
    drawn = str(rng.choice(KINDS))
    if kind is not None and kind not in KINDS:
        raise ConfigError(f"there is no kind of room called {kind!r}; choose one of {', '.join(KINDS)}.")
    kind = kind or drawn
    layout = Layout(rng, outline(rng, kind), float(rng.uniform(2.25, 3.1)))
    style = any_style(rng)
    holes, lights = add_openings(layout, style, kind)
    build_shell(layout, style, kind, holes)
    anything.furnish(layout, style)
    zones.floor_things(layout, style, int(rng.integers(3, 9)))
    zones.wall_things(layout, style, int(rng.integers(4, 12)))
    lights += add_ceiling_lamps(layout, kind, bool(lights))
    ambient = float(rng.uniform(0.08, 0.3)) * (1 + rng.uniform(-0.06, 0.06, 3))
    return Scene(
        seed=seed,
        kind=kind,
        mesh=layout.assembly.mesh(),
        materials=layout.assembly.materials,
        lights=lights,
        floor=layout.floor,
        height_m=layout.height,
        ambient=tuple(float(a) for a in ambient),
        points_of_interest=np.array(layout.focus, np.float32).reshape(-1, 3),
    )
