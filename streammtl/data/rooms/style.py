"""What a room's things share: its woods, paints, metals and cloths."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streammtl.data.rooms.textures import colours
from streammtl.data.rooms.textures.bank import Finish, covering, plain


@dataclass(frozen=True)
class Style:
    """Finishes most things of one room are made of."""

    wood: Finish
    second_wood: Finish
    paint: Finish
    metal: Finish
    cloth: Finish
    accent: Finish


def any_style(rng: np.random.Generator) -> Style:
    """A style of its own for every room."""
    return Style(
        wood=wooden(rng),
        second_wood=wooden(rng),
        paint=covering(rng, "speckle", colours.white(rng) if rng.random() < 0.6 else colours.thing(rng)),
        metal=metallic(rng),
        cloth=fabric(rng),
        accent=covering(rng, "speckle", colours.vivid(rng), shiny=rng.random() < 0.4),
    )


def wooden(rng: np.random.Generator) -> Finish:
    """Wood in any of its colours, now and then painted."""
    if rng.random() < 0.2:
        return covering(rng, "wood", colours.white(rng) if rng.random() < 0.6 else colours.thing(rng))
    return covering(rng, "wood", colours.brown(rng), shiny=rng.random() < 0.25)


def metallic(rng: np.random.Generator) -> Finish:
    """Steel, aluminium, painted black or white metal."""
    if rng.random() < 0.45:
        return covering(rng, "metal", colours.to_linear(np.full(3, rng.uniform(0.55, 0.85))))
    return plain(colours.dark(rng) if rng.random() < 0.7 else colours.white(rng), 0.12, 40.0)


def fabric(rng: np.random.Generator) -> Finish:
    """Upholstery: cloth, seldom leather."""
    kinds = (colours.grey, colours.dark, colours.muted, colours.pastel, colours.brown, colours.vivid)
    colour = kinds[rng.choice(6, p=(0.2, 0.2, 0.25, 0.12, 0.15, 0.08))](rng)
    return covering(rng, "leather" if rng.random() < 0.2 else "cloth", colour)


def stuff(rng: np.random.Generator) -> Finish:
    """What any small thing is made of: plastic, lacquer, clay, wood, metal, cloth."""
    kind = rng.random()
    if kind < 0.3:
        return plain(colours.thing(rng), rng.uniform(0.01, 0.15), rng.uniform(10, 80))
    if kind < 0.7:
        return covering(rng, "speckle", colours.thing(rng), shiny=rng.random() < 0.3)
    family = str(rng.choice(["wood", "metal", "cloth", "marble", "leather"]))
    return covering(rng, family, colours.thing(rng))
