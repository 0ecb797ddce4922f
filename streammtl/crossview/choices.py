"""The alternatives inside the cross-view module; light enough for settings to import."""

from __future__ import annotations

from enum import StrEnum


class Spacing(StrEnum):
    """How planes lie between near and far."""

    INVERSE = "inverse"  # even in 1/depth, about evenly in pixels along the epipolar line
    LOG = "log"  # even in log depth
    PAPER_LITERAL = "paper_literal"  # even in 1/depth from 0.1 mm to 10 m whatever near and far are; for comparison


class NeighbourRule(StrEnum):
    """Which views are the best neighbours."""

    PARALLAX = "parallax"  # those about 15 cm away that look the same way
    DISTANCE = "distance"  # those whose camera centres are nearest


class MatchFeatures(StrEnum):
    """What views are matched by."""

    OWN = "own"  # a small CNN of the module's own
    ENCODER = "encoder"  # the levels of the network's encoder
    LORA = "lora"  # those of the encoder with low-rank changes
    ADAPTER = "adapter"  # those of the encoder with adapters beside it


class SingleView(StrEnum):
    """What a view without neighbours is compared with."""

    NO_MATCH = "no_match"  # nothing: a learned score per plane
    DUPLICATE = "duplicate"  # itself, from its own pose, as the paper does: all planes then score the same
