"""What belongs to the building: walls with a window opening, floor, ceiling, skirting, window, door, curtains."""

from __future__ import annotations

import artwork
import numpy as np
import surface_textures as surfaces
from scene import SceneBuilder, painted
from shapes import box, curtain, merged, moved, panel, rod, tilt

WALL, FLOOR, DOOR, WINDOW, CURTAIN, CEILING, OTHER_STRUCTURE = 1, 2, 8, 9, 16, 22, 38

# The room: x runs east, y north, z up; the inner corner of the south-west walls at floor level is the origin.
WIDTH_M, DEPTH_M, HEIGHT_M = 6.4, 4.8, 2.6
# Opening in the east wall: from y, to y, sill, head.
WINDOW_OPENING_M = (1.85, 3.75, 0.86, 2.26)
REVEAL_M = 0.17
# Glowing panes: corner, two sides (their cross product looks into the room), share of the sky's radiance. The second
# one, in the south wall behind the camera, is a plain sheet: it is never in view.
PANES = (
    ((WIDTH_M + REVEAL_M - 0.02, 3.75, 0.86), (0.0, -1.90, 0.0), (0.0, 0.0, 1.40), 1.0),
    ((5.2, 0.006, 0.90), (-2.6, 0.0, 0.0), (0.0, 0.0, 1.40), 0.55),
)
UNSEEN_PANE = "second window"
# What the panes show is dimmer than the light they give, as a camera with a wide dynamic range would show it.
SHOWN_SHARE = 0.16
DOOR_Y_M, DOOR_WIDTH_M, DOOR_HEIGHT_M = 0.30, 0.88, 2.04


def _wall_texture(name: str, length: float, builder: SceneBuilder) -> None:
    height_px, width_px = round(HEIGHT_M / 0.003), round(length / 0.003)
    if name == "north":
        builder.texture(name, surfaces.botanical_wallpaper(height_px, width_px, 21))
    else:
        colour = {"east": (0.88, 0.85, 0.78), "west": (0.87, 0.80, 0.70), "south": (0.86, 0.82, 0.75)}[name]
        builder.texture(name, surfaces.plaster(height_px, width_px, colour, len(name) + ord(name[0])))


def _wall_piece(origin: tuple[float, ...], across: tuple[float, ...], part: tuple[float, float, float, float]) -> dict:
    """The part (from, to, low, high; metres along the wall) of a wall, with its share of the wall's texture."""
    start, stop, low, high = part
    length = float(np.linalg.norm(across))
    along = np.array(across) / length
    piece = panel(np.array(origin) + along * start + (0, 0, low), along * (stop - start), (0, 0, high - low))
    piece["uvs"] = piece["uvs"] * (stop - start, high - low) / (length, HEIGHT_M) + (start / length, low / HEIGHT_M)
    return piece


def add_shell(builder: SceneBuilder) -> None:
    """Four walls, floor of boards, ceiling, skirting boards and a cornice."""
    walls = {
        "north": ((0, DEPTH_M, 0), (WIDTH_M, 0, 0)),
        "south": ((WIDTH_M, 0, 0), (-WIDTH_M, 0, 0)),
        "west": ((0, 0, 0), (0, DEPTH_M, 0)),
        "east": ((WIDTH_M, DEPTH_M, 0), (0, -DEPTH_M, 0)),
    }
    for name, (origin, across) in walls.items():
        length = float(np.linalg.norm(across))
        _wall_texture(name, length, builder)
        parts = [(0.0, length, 0.0, HEIGHT_M)]
        if name == "east":
            south, north, sill, head = WINDOW_OPENING_M
            start, stop = DEPTH_M - north, DEPTH_M - south
            parts = [
                (0, start, 0, HEIGHT_M),
                (stop, length, 0, HEIGHT_M),
                (start, stop, 0, sill),
                (start, stop, head, HEIGHT_M),
            ]
        pieces = merged(*[_wall_piece(origin, across, part) for part in parts])
        builder.add(f"{name} wall", painted(pieces, builder.material(name), WALL), 0.06)
    boards = surfaces.floor_boards(round(DEPTH_M / 0.0025), round(WIDTH_M / 0.0025), 0.0025, 5)
    builder.texture("floor", boards)
    floor = panel((0, 0, 0), (WIDTH_M, 0, 0), (0, DEPTH_M, 0))
    builder.add("floor", painted(floor, builder.material("floor", gloss=0.03, roughness=0.07), FLOOR), 0.035)
    builder.texture("ceiling", surfaces.plaster(1024, 1024, (0.93, 0.92, 0.90), 77))
    ceiling = panel((0, DEPTH_M, HEIGHT_M), (WIDTH_M, 0, 0), (0, -DEPTH_M, 0), (2.0, 1.5))
    builder.add("ceiling", painted(ceiling, builder.material("ceiling"), CEILING), 0.10)
    _add_mouldings(builder)


def _add_mouldings(builder: SceneBuilder) -> None:
    builder.texture("white paint", surfaces.speckle(256, 31, 0.02))
    white = builder.material("white paint", tint=(1.35, 1.33, 1.27), gloss=0.0)
    thick, high = 0.016, 0.10
    door_stop = DOOR_Y_M + DOOR_WIDTH_M + 0.08
    skirting = merged(
        box((0, DEPTH_M - thick, 0), (WIDTH_M, DEPTH_M, high)),
        box((0, 0, 0), (WIDTH_M, thick, high)),
        box((WIDTH_M - thick, 0, 0), (WIDTH_M, DEPTH_M, high)),
        box((0, door_stop, 0), (thick, DEPTH_M, high)),
        box((0, 0, 0), (thick, DOOR_Y_M - 0.08, high)),
    )
    builder.add("skirting", painted(skirting, white, WALL), 0.15)
    edge, top = 0.05, HEIGHT_M - 0.05
    cornice = merged(
        box((0, DEPTH_M - edge, top), (WIDTH_M, DEPTH_M, HEIGHT_M)),
        box((0, 0, top), (WIDTH_M, edge, HEIGHT_M)),
        box((WIDTH_M - edge, 0, top), (WIDTH_M, DEPTH_M, HEIGHT_M)),
        box((0, 0, top), (edge, DEPTH_M, HEIGHT_M)),
    )
    builder.add("cornice", painted(cornice, white, OTHER_STRUCTURE), 0.2)


def add_window(builder: SceneBuilder, sky_radiance: float) -> None:
    """Casement window with two wings, reveal, sill, and panes that glow with the garden outside."""
    south, north, sill, head = WINDOW_OPENING_M
    east, frame_x = WIDTH_M + REVEAL_M, WIDTH_M + REVEAL_M - 0.06
    white = builder.material("white paint", tint=(1.38, 1.36, 1.30), gloss=0.0)
    reveal = merged(
        panel((WIDTH_M, south, sill), (0, 0, head - sill), (REVEAL_M, 0, 0)),
        panel((WIDTH_M, north, sill), (REVEAL_M, 0, 0), (0, 0, head - sill)),
        panel((WIDTH_M, south, head), (0, north - south, 0), (REVEAL_M, 0, 0)),
        panel((WIDTH_M, south, sill), (REVEAL_M, 0, 0), (0, north - south, 0)),
    )
    builder.add("window reveal", painted(reveal, white, WALL), 0.03)
    board = box((WIDTH_M - 0.10, south - 0.06, sill - 0.03), (WIDTH_M + 0.10, north + 0.06, sill))
    builder.add("window sill", painted(board, white, WINDOW), 0.04)
    middle, bar, thin = 0.5 * (south + north), 0.065, 0.028
    bars = [
        (south, south + bar, sill, head),
        (north - bar, north, sill, head),
        (middle - 0.06, middle + 0.06, sill, head),
    ]
    bars += [(south, north, sill, sill + bar), (south, north, head - bar, head)]
    level = sill + 0.64 * (head - sill)
    bars += [(south, north, level - thin / 2, level + thin / 2)]
    frame = merged(*[box((frame_x, a, low), (east, b, high)) for a, b, low, high in bars])
    handle = merged(rod((frame_x, middle, 1.45), (frame_x - 0.05, middle, 1.45), 0.008))
    lever = rod((frame_x - 0.05, middle, 1.46), (frame_x - 0.05, middle, 1.34), 0.008)
    builder.add("window frame", painted(merged(frame, handle, lever), white, WINDOW), 0.05)
    builder.texture("garden", artwork.window_view(512, 700, 3))
    garden = builder.material("garden", glow=SHOWN_SHARE * sky_radiance)
    for name, (origin, across, up, _) in zip(("window pane", UNSEEN_PANE), PANES, strict=True):
        builder.add(name, painted(panel(origin, across, up), garden, WINDOW), 0.5)


def add_curtains(builder: SceneBuilder) -> None:
    """A pair of linen curtains on a rail above the window."""
    south, north, _, _ = WINDOW_OPENING_M
    builder.texture("linen", surfaces.fabric(512, 41) * _woven_stripes(512))
    linen = builder.material("linen", tint=(0.62, 0.36, 0.20))
    cloths = []
    for start, seed in ((south - 0.36, 1), (north - 0.06, 2)):
        cloths.append(moved(curtain(0.42, 2.30, 5.0, 0.045, seed), tilt(90.0, 2), (WIDTH_M - 0.13, start, 0.06)))
    builder.add("curtains", painted(merged(*cloths), linen, CURTAIN), 0.05)
    iron = builder.material("white paint", tint=(0.05, 0.045, 0.04), gloss=0.0)
    rail = rod((WIDTH_M - 0.13, south - 0.5, 2.38), (WIDTH_M - 0.13, north + 0.5, 2.38), 0.013)
    knobs = [
        rod((WIDTH_M - 0.13, y, 2.38), (WIDTH_M - 0.13, y + 0.05, 2.38), 0.026) for y in (south - 0.53, north + 0.48)
    ]
    holders = [rod((WIDTH_M, y, 2.38), (WIDTH_M - 0.13, y, 2.38), 0.008) for y in (south - 0.42, north + 0.42)]
    builder.add("curtain rail", painted(merged(rail, *knobs, *holders), iron, OTHER_STRUCTURE), 0.1)


def _woven_stripes(size: int) -> np.ndarray:
    v = np.arange(size)[:, None, None] / size
    return 1.0 - 0.28 * ((v * 6) % 1.0 < 0.12) - 0.15 * (((v * 6) - 0.2) % 1.0 < 0.04)


def add_door(builder: SceneBuilder) -> None:
    """Panelled door with frame and handle in the west wall."""
    builder.texture("door wood", surfaces.sawn_wood(512, 512, (0.62, 0.42, 0.26), 8))
    wood = builder.material("door wood", gloss=0.0)
    brass = builder.material("white paint", tint=(0.75, 0.55, 0.22), gloss=0.15, roughness=0.12)
    start, stop, high = DOOR_Y_M, DOOR_Y_M + DOOR_WIDTH_M, DOOR_HEIGHT_M
    leaf = [box((0.0, start, 0.005), (0.03, stop, high))]
    for low, top in ((0.14, 0.86), (1.00, 1.40), (1.52, 1.92)):
        for left, right in ((start + 0.12, start + 0.41), (start + 0.47, stop - 0.12)):
            leaf.append(box((0.03, left, low), (0.042, right, top)))
            leaf.append(box((0.042, left + 0.035, low + 0.035), (0.05, right - 0.035, top - 0.035)))
    leaf += [box((0, start - 0.08, 0), (0.05, start, high + 0.08)), box((0, stop, 0), (0.05, stop + 0.08, high + 0.08))]
    leaf += [box((0, start, high), (0.05, stop, high + 0.08))]
    builder.add("door", painted(merged(*leaf), wood, DOOR), 0.05)
    lock = stop - 0.07
    handle = merged(
        box((0.03, lock - 0.02, 0.95), (0.036, lock + 0.02, 1.15)),
        rod((0.03, lock, 1.08), (0.085, lock, 1.08), 0.009),
        rod((0.085, lock + 0.01, 1.08), (0.085, lock - 0.12, 1.08), 0.009),
    )
    builder.add("door handle", painted(handle, brass, DOOR), 0.03)
