"""Finishes: a material with a texture out of a bounded, seeded bank, and how large one repeat of it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from streammtl.data.rooms.scene import Material
from streammtl.data.rooms.textures import colours, displays, prints, surfaces

# How many textures of each family there are; every room draws from them.
VARIANTS = {
    **dict.fromkeys(("plaster", "wood", "boards", "tiles", "cloth", "carpet", "wallpaper"), 24),
    **dict.fromkeys(("parquet", "bricks", "marble", "leather", "speckle", "metal", "leaves"), 10),
    **dict.fromkeys(("page", "photograph", "poster", "cover"), 48),
    "spine": 64,
    "screen": 24,
    **dict.fromkeys(("carton", "board", "outside"), 16),
    **dict.fromkeys(("keyboard", "clock"), 6),
}
# Metres covered by one repeat, from..to.
REPEAT_M = {
    "plaster": (1.0, 2.5),
    "wood": (0.5, 1.2),
    "boards": (0.7, 1.6),
    "tiles": (0.3, 1.4),
    "cloth": (0.2, 0.8),
    "carpet": (0.5, 1.5),
    "wallpaper": (0.4, 1.2),
    "parquet": (0.6, 1.4),
    "bricks": (0.6, 0.8),
    "marble": (0.5, 1.5),
    "leather": (0.4, 0.8),
    "speckle": (0.4, 1.0),
    "metal": (0.4, 0.8),
    "leaves": (0.3, 0.6),
}
SHINE = {
    "wood": (0.05, 30.0),
    "boards": (0.05, 30.0),
    "tiles": (0.1, 80.0),
    "marble": (0.12, 90.0),
    "metal": (0.45, 60.0),
    "leather": (0.06, 20.0),
    "screen": (0.08, 120.0),
    "board": (0.08, 60.0),
    "cloth": (0.0, 5.0),
    "carpet": (0.0, 5.0),
    "plaster": (0.01, 5.0),
    "bricks": (0.0, 5.0),
}


@dataclass(frozen=True)
class Finish:
    """A material and the metres one repeat of its texture covers; None stretches the texture over each face once."""

    material: Material
    repeat_m: float | None = None


def _makers() -> dict[str, Callable[[int], np.ndarray]]:
    found = {}
    for module in (surfaces, prints, displays):
        found.update({name: getattr(module, name) for name in VARIANTS if hasattr(module, name)})
    return found


MAKERS = _makers()


@lru_cache(maxsize=sum(VARIANTS.values()))
def texture(family: str, variant: int) -> np.ndarray:
    """The texture, u8 [h,w,3] sRGB, read-only. The same object every time, so that scenes share it."""
    picture = np.ascontiguousarray(MAKERS[family](1000 * variant + 17))
    picture.setflags(write=False)
    return picture


def draw(rng: np.random.Generator, family: str) -> np.ndarray:
    """Any texture of a family."""
    return texture(family, int(rng.integers(VARIANTS[family])))


def covering(rng: np.random.Generator, family: str, colour: colours.Colour, shiny: bool = False) -> Finish:
    """A repeated surface in a colour (linear)."""
    specular, gloss = SHINE.get(family, (0.04, 20.0))
    if shiny:
        specular, gloss = max(specular, 0.1) * 1.5, max(gloss, 60.0)
    material = Material(colour, draw(rng, family), min(specular * rng.uniform(0.3, 1.5), 0.6), gloss)
    return Finish(material, float(rng.uniform(*REPEAT_M[family])))


def printed(
    rng: np.random.Generator, family: str, colour: colours.Colour = (1.0, 1.0, 1.0), emission: float = 0.0
) -> Finish:
    """A picture stretched over a face; `emission` makes it glow."""
    specular, gloss = SHINE.get(family, (0.03, 20.0))
    return Finish(Material(colour, draw(rng, family), specular, gloss, emission))


def plain(colour: colours.Colour, specular: float = 0.04, gloss: float = 20.0, emission: float = 0.0) -> Finish:
    """One colour without a texture."""
    return Finish(Material(colour, None, specular, gloss, emission))
