"""Colours that lie far apart."""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor

from streammtl.errors import ConfigError

MOST_CLASSES = 64


@cache
def class_colours(count: int) -> Tensor:
    """f32 [count,3] in [-1,1]: points of the smallest cubic lattice that has so many, each the farthest from those
    before it; eight classes are the corners of the cube.

    Raises: ConfigError for more classes than colours can tell apart.
    """
    if not 1 <= count <= MOST_CLASSES:
        raise ConfigError(f"{count} classes cannot be told apart as colours; a latent model takes 1 to {MOST_CLASSES}.")
    side = max(2, math.ceil(round(count ** (1 / 3), 6)))
    steps = torch.linspace(-1, 1, side)
    lattice = torch.cartesian_prod(steps, steps, steps)
    chosen = [0]
    distance = (lattice - lattice[0]).norm(dim=1)
    while len(chosen) < count:
        chosen.append(int(distance.argmax()))
        distance = torch.minimum(distance, (lattice - lattice[chosen[-1]]).norm(dim=1))
    return lattice[chosen]
