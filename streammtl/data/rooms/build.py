"""Builds a furnished room from a seed."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np

from streammtl.data.rooms.classes import Label
from streammtl.data.rooms.furniture.library import FurnitureLibrary
from streammtl.data.rooms.layout.lamps import add_ceiling_lamps
from streammtl.data.rooms.layout.openings import add_openings
from streammtl.data.rooms.layout.placing import Layout
from streammtl.data.rooms.layout.plan import KINDS, outline
from streammtl.data.rooms.layout.shell import build_shell
from streammtl.data.rooms.layout.walking import CELL_M, walkable, walkers
from streammtl.data.rooms.programmes import home, kitchen, office, zones
from streammtl.data.rooms.scene import Scene
from streammtl.data.rooms.style import Style, any_style
from streammtl.data.rooms.supply import Supply
from streammtl.errors import ConfigError

PROGRAMMES: dict[str, Callable[[Layout, Supply], None]] = {
    "kitchen": kitchen.furnish,
    "breakroom": kitchen.furnish_breakroom,
    "office": office.furnish,
    "classroom": office.furnish_classroom,
    "corridor": office.furnish_corridor,
    "living": home.furnish_living,
    "bedroom": home.furnish_bedroom,
    "bathroom": home.furnish_bathroom,
}
# How often each kind is drawn when none is asked for, in the order of KINDS.
SHARES = {"kitchen": 0.2, "office": 0.22, "breakroom": 0.16, "living": 0.14, "bedroom": 0.1}
# What fills the walls that a programme leaves free.
FILLERS = {
    "kitchen": {"cabinet": 3.0, "things": 1.5, "chair": 1.0, "about": 3.0, "books": 0.5},
    "breakroom": {"cabinet": 3.0, "folders": 1.5, "chair": 1.5, "about": 3.0, "sofa": 0.7, "desk": 0.7},
    "office": {"cabinet": 2.5, "folders": 2.5, "books": 1.5, "desk": 2.0, "about": 2.5, "chair": 0.7},
    "classroom": {"cabinet": 3.0, "books": 1.5, "things": 2.0, "about": 2.0, "desk": 0.5},
    "corridor": {"about": 3.0, "cabinet": 0.3},
    "living": {"cabinet": 2.0, "books": 2.0, "things": 1.0, "about": 2.5, "chair": 1.0, "desk": 0.5},
    "bedroom": {"cabinet": 2.5, "books": 1.0, "things": 1.0, "about": 3.0, "chair": 0.7},
    "bathroom": {"about": 2.0, "cabinet": 0.5},
}
PEOPLE_SHARE = 0.1
LEAST_WALK_M2 = 0.5
ATTEMPTS = 4


def build_room(seed: int, furniture: FurnitureLibrary | Path | str | None = None, kind: str | None = None) -> Scene:
    """A room of the given kind (one of layout.plan.KINDS), or of any, full of things.

    `furniture` is a library, or the folder of one, which is then opened once a process; None draws every thing from
    plain shapes. The same arguments give the same room, bit for bit, whatever was built before.

    Raises: ConfigError for an unknown kind; DataError for a folder without models.
    """
    rng = np.random.default_rng([seed, 20])
    rest = [k for k in KINDS if k not in SHARES]
    chance = [SHARES.get(k, (1.0 - sum(SHARES.values())) / len(rest)) for k in KINDS]
    drawn = str(rng.choice(KINDS, p=chance))
    if kind is not None and kind not in KINDS:
        raise ConfigError(f"there is no kind of room called {kind!r}; choose one of {', '.join(KINDS)}.")
    library = _opened(Path(furniture)) if isinstance(furniture, Path | str) else furniture
    for attempt in range(ATTEMPTS):
        rng = np.random.default_rng([seed, 21, attempt])
        scene, walk_m2 = _attempt(rng, seed, kind or drawn, library)
        if walk_m2 >= LEAST_WALK_M2:
            break
    return scene


@lru_cache(maxsize=4)
def _opened(folder: Path) -> FurnitureLibrary:
    return FurnitureLibrary(folder)


def _attempt(rng: np.random.Generator, seed: int, kind: str, library: FurnitureLibrary | None) -> tuple[Scene, float]:
    """One room and how much of its floor can be walked on."""
    layout = Layout(rng, outline(rng, kind), float(rng.uniform(2.25, 3.1)))
    style = any_style(rng)
    holes, lights = add_openings(layout, style, kind)
    build_shell(layout, style, kind, holes)
    area = _fill(layout, style, kind, library)
    lights += add_ceiling_lamps(layout, kind, bool(lights))
    moving = walkers(layout, int(rng.integers(1, 3))) if rng.random() < PEOPLE_SHARE else []
    ambient = float(rng.uniform(0.08, 0.3)) * (1 + rng.uniform(-0.06, 0.06, 3))
    scene = Scene(
        seed=seed,
        kind=kind,
        mesh=layout.assembly.mesh(),
        materials=layout.assembly.materials,
        lights=lights,
        floor=layout.floor,
        height_m=layout.height,
        ambient=tuple(float(a) for a in ambient),
        moving=moving,
        points_of_interest=np.array(layout.focus, np.float32).reshape(-1, 3),
    )
    return scene, area


def _fill(layout: Layout, style: Style, kind: str, library: FurnitureLibrary | None) -> float:
    """Furnishes the room; returns the floor area (m2) left to walk on before clutter takes its share."""
    rng = layout.rng
    # The table of models knows no break rooms.
    room = str(rng.choice(["kitchen", "office", "living"])) if kind == "breakroom" else kind
    supply = Supply(rng, style, library, room)
    PROGRAMMES[kind](layout, supply)
    zones.fill_walls(layout, supply, float(rng.uniform(0.45, 0.95)), FILLERS[kind])
    area = float(walkable(layout)[0].sum()) * CELL_M**2
    size = float(np.prod(np.ptp(layout.floor, axis=0)))
    zones.floor_things(layout, supply, int(rng.uniform(0.1, 0.4) * size) + 1)
    zones.pipes(layout, supply)
    zones.wall_things(layout, supply, int(rng.integers(5, 16)))
    if rng.random() < 0.06:
        somebody = supply.model((Label.PERSON,))
        if somebody is not None:
            layout.stand_anywhere(somebody)
    return area
