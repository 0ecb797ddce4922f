"""Where everything stands. World: x east, y north, z up (gravity along -z), metres, origin in the SW floor corner."""

from __future__ import annotations

from pathlib import Path

import fittings
import furnishings
from catalogue import furniture_soup, read_table
from scene import SceneBuilder, placed

# Radiance of the brightest part of the window panes; everything else is relative to it.
SKY_RADIANCE = 11.0
LIBRARY = "BlendSwap-CC-0"
# Model index in the library, x, y, z, yaw (degrees counter-clockwise from above; 0 = front to the south).
PLACEMENTS: tuple[tuple[int, float, float, float, float], ...] = (
    (140, 2.62, 4.29, 0.0, 0.0),  # sofa against the north wall
    (139, 0.78, 3.52, 0.0, 52.0),  # armchair in the corner
    (71, 2.55, 2.88, 0.012, 3.0),  # wooden chest as coffee table
    (52, 0.37, 2.10, 0.0, 90.0),  # television cabinet on the west wall
    (22, 0.37, 1.86, 0.535, 90.0),  # television
    (44, 0.26, 1.22, 0.0, 84.0),  # speaker
    (76, 4.00, 4.52, 0.0, -12.0),  # guitar
    (6, 5.03, 4.60, 0.0, 0.0),  # glass cabinet
    (102, 4.95, 4.55, 1.472, 20.0),  # trailing plant on it
    (149, 5.34, 4.58, 1.472, 0.0),  # paper lantern on it
    (126, 5.93, 4.28, 0.0, 30.0),  # palm in the corner
    (27, 5.00, 2.72, 0.0, 8.0),  # round table
    (26, 5.02, 3.62, 0.0, 8.0),  # chair, north side
    (26, 5.86, 2.66, 0.0, -84.0),  # chair, window side
    (26, 4.30, 2.02, 0.0, 128.0),  # chair, pulled out
    (36, 6.27, 2.80, 0.0, -90.0),  # radiator
    (124, 5.06, 2.78, 0.741, 0.0),  # orchids on the table
    (9, 4.72, 2.52, 0.741, 40.0),  # coffee cup
    (120, 5.30, 2.42, 0.741, -30.0),  # handbag
    (91, 4.78, 2.98, 0.741, -20.0),  # playing cards
    (9, 2.30, 2.78, 0.318, -60.0),  # coffee cup on the chest
    (69, 2.83, 2.80, 0.318, 30.0),  # headphones
    (107, 6.44, 2.15, 0.86, 0.0),  # cactus on the sill
    (77, 6.44, 3.30, 0.86, 0.0),  # little plant on the sill
    (96, 4.30, 4.71, 1.25, 0.0),  # cuckoo clock
    (85, 4.02, 4.02, 0.0, 150.0),  # slippers
    (78, 3.62, 3.40, 0.0, 0.0),  # ball
    (115, 5.72, 4.00, 0.0, 0.0),  # bin
    (121, 5.00, 2.72, 1.966, 0.0),  # chandelier over the table
    (14, 0.78, 4.60, 1.14, -30.0),  # deer on the bookshelf
    (51, 0.36, 4.60, 1.14, 10.0),  # teddy bear on the bookshelf
    (15, 0.30, 2.52, 0.555, 90.0),  # lamp in the television cabinet
    (81, 0.36, 2.40, 1.222, 70.0),  # calendar in it
    (107, 0.30, 2.66, 1.222, 0.0),  # cactus in it
    (102, 0.28, 2.55, 1.455, 70.0),  # plant on it
)


def furnish(package: Path) -> SceneBuilder:
    """The whole room, part by part, from the extracted furniture package; deterministic."""
    builder = SceneBuilder()
    fittings.add_shell(builder)
    fittings.add_window(builder, SKY_RADIANCE)
    fittings.add_curtains(builder)
    fittings.add_door(builder)
    _add_own_things(builder)
    table = read_table()
    for index, x, y, z, yaw in PLACEMENTS:
        row = table[f"{LIBRARY}/{index}"]
        builder.add(row.name, placed(furniture_soup(builder, row, package), x, y, z, yaw), 0.055)
    return builder


def _add_own_things(builder: SceneBuilder) -> None:
    furnishings.add_bookshelf(builder, 0.16, 4.79, 0.0)
    furnishings.add_rug(builder, 2.55, 2.92, (2.5, 1.7), 2.0)
    furnishings.add_picture(builder, "mountains", (2.62, 4.80, 1.62), (0.98, 0.62), 0.0)
    furnishings.add_picture(builder, "fern", (1.66, 4.80, 1.62), (0.36, 0.56), 0.0)
    furnishings.add_picture(builder, "abstract", (3.56, 4.80, 1.62), (0.36, 0.56), 0.0)
    furnishings.add_picture(builder, "city", (6.40, 4.36, 1.62), (0.40, 0.60), -90.0)
    furnishings.add_picture(builder, "map", (0.0, 3.60, 1.70), (0.90, 0.62), 90.0)
    furnishings.add_cushion(builder, 0, (1.92, 4.22, 0.60), 24.0, 14.0, 0.44)
    furnishings.add_cushion(builder, 1, (3.30, 4.23, 0.60), 22.0, -12.0, 0.46)
    furnishings.add_cushion(builder, 2, (3.02, 4.15, 0.57), 32.0, 10.0, 0.38)
    stack = furnishings.book_stack(builder, 3, 7)
    builder.add("books on the chest", placed(stack, 2.62, 3.02, 0.318, 15.0), 0.03)
    for shelf, (z, length) in enumerate(((0.062, 0.55), (0.402, 0.80), (0.762, 0.42), (1.122, 0.70))):
        row = furnishings.book_row(builder, length, 0.31, 300 + shelf)
        builder.add("books in the cabinet", placed(row, 5.03 - 0.42, 4.60 - 0.08, z), 0.06)
    shelf_stack = furnishings.book_stack(builder, 4, 12)
    builder.add("books in the television cabinet", placed(shelf_stack, 0.32, 2.52, 0.99, 80.0), 0.06)
    pile = furnishings.book_stack(builder, 4, 11)
    builder.add("books on the floor", placed(pile, 1.30, 4.50, 0.0, -10.0), 0.03)
