"""A labelled floor plan: rooms, walls, doors, windows and things from above, as an architect would draw them."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mapping.export.atomic import replacing
from mapping.export.drawing import Colour, Drawing, text_width
from mapping.export.plan_legend import LEGEND_WIDTH, draw_legend, draw_scale
from mapping.scene.objects import MapObject
from mapping.scene.scene import Scene

WIDTH = 1500
MARGIN = 56
PAPER, INK, FLOOR = (252, 251, 248), (52, 56, 64), (241, 235, 224)
SOFT_INK, GLASS, PATH = (122, 126, 134), (120, 170, 205), (196, 88, 72)
ON_WALLS = frozenset(("picture", "window", "door", "blinds", "curtain", "mirror", "whiteboard", "towel"))
_WALL_M = 0.1  # how thick walls are drawn: of most only one side is seen
_GAP_M = 0.3  # in walls, closed: what stood before them
_HOLE_M2 = 0.01  # smaller pieces of wall, and holes in walls, are not drawn
_LEAST_M2 = 0.02  # of floor below a thing that is drawn


@dataclass(frozen=True)
class _Page:
    """Where points of the floor's frame lie on the page."""

    low: np.ndarray  # f64 [2] metres, lower left
    high: np.ndarray
    scale: float  # pixels per metre

    @property
    def size(self) -> tuple[int, int]:
        width, height = (self.high - self.low) * self.scale + 2 * MARGIN
        return round(width), round(height)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Points f64 [N,2 or 3] of the floor's frame in pixels [N,2]."""
        points = np.asarray(points, np.float64)[:, :2]
        x = (points[:, 0] - self.low[0]) * self.scale + MARGIN
        y = (self.high[1] - points[:, 1]) * self.scale + MARGIN
        return np.stack([x, y], -1)


def write_plan(path: Path, scene: Scene) -> None:
    """Draws the plan as SVG, or else as PNG, replacing what is there.

    Convention: the floor's frame seen from above, x to the right along walls, y up the page; a bar gives the scale.
    Source of the map's names and colours: its label space.
    """
    drawing = floor_plan(scene)
    with replacing(path) as part:
        if path.suffix.lower() == ".svg":
            drawing.write_svg(part)
        else:
            drawing.write_png(part)


def floor_plan(scene: Scene) -> Drawing:
    """The plan of the largest component of a map."""
    grid = scene.grid
    page = _page(scene)
    width, height = page.size
    counts = Counter(thing.class_name for thing in scene.objects)
    drawing = Drawing(width + LEGEND_WIDTH, max(height, 200 + 24 * len(counts)), PAPER)
    for room in scene.rooms:
        drawing.area(*_outlines(_up_to_walls(room.cells, grid.wall), scene, page), fill=FLOOR)
    standing = [thing for thing in scene.objects if thing.class_name not in ON_WALLS]
    shapes = {thing.id: _footprint(thing, scene, page) for thing in standing}
    for thing in sorted(standing, key=lambda thing: -thing.extent_m[0] * thing.extent_m[1]):  # small ones on top
        if shapes[thing.id] is not None:
            fill, line = _tints(thing, scene)
            drawing.area(shapes[thing.id], fill=fill, stroke=line, width=1.4)
    walls = _walls(scene, page)
    if walls:
        drawing.area(*walls, fill=INK)
    for thing in scene.objects:
        _draw_on_wall(drawing, thing, scene, page)
    _draw_path(drawing, scene, page)
    _name_things(drawing, standing, shapes)
    _name_rooms(drawing, scene, page)
    colours = {thing.class_name: _tints(thing, scene) for thing in scene.objects}
    draw_legend(
        drawing, width, counts, colours, sum(room.area_m2 for room in scene.rooms), len(scene.rooms), scene.metric
    )
    draw_scale(drawing, (MARGIN, height - MARGIN / 2), page.scale, scene.metric)
    return drawing


def _page(scene: Scene) -> _Page:
    grid = scene.grid
    cells = np.argwhere(grid.wall | grid.occupied | (scene.room_of_cell >= 0))
    if not len(cells):
        cells = np.argwhere(np.ones_like(grid.free))
    ends = [cells.min(0)[::-1] * grid.cell_m + grid.origin, (cells.max(0)[::-1] + 1) * grid.cell_m + grid.origin]
    ends = np.concatenate([ends, _on_floor(scene.T_world_cam[:, :3, 3], scene)])
    low, high = ends.min(0) - 0.1, ends.max(0) + 0.1
    scale = min((WIDTH - 2 * MARGIN) / (high - low)[0], 0.8 * WIDTH / (high - low)[1])
    return _Page(low, high, scale)


def _outlines(mask: np.ndarray, scene: Scene, page: _Page) -> list[np.ndarray]:
    """The borders of a mask [h,w] on the page, holes included, without the steps of its cells."""
    finer = 4
    large = cv2.resize(mask.astype(np.float32), None, fx=finer, fy=finer, interpolation=cv2.INTER_NEAREST)
    smooth = cv2.GaussianBlur(large, (0, 0), 0.45 * finer) > 0.5
    found, _ = cv2.findContours(smooth.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    shapes = []
    for contour in found:
        outline = cv2.approxPolyDP(contour, 0.6 * finer, True)[:, 0]
        if len(outline) >= 3 and cv2.contourArea(outline) > 2 * finer**2:
            shapes.append(page((outline + 0.5) / finer * scene.grid.cell_m + scene.grid.origin))
    return shapes


def _walls(scene: Scene, page: _Page) -> list[np.ndarray]:
    """The borders of walls on the page: from the side that was seen, a wall's thickness to the back."""
    mesh, grid, cell = scene.mesh, scene.grid, 0.4 * scene.grid.cell_m
    surface = _on_floor(mesh.vertices[grid.wall_vertices], scene)
    back = -mesh.normals[grid.wall_vertices].astype(np.float64) @ grid.T_world_floor[:3, :2]
    low = grid.origin - _WALL_M
    mask = np.zeros(np.ceil((np.array(grid.free.shape) * grid.cell_m + 2 * _WALL_M) / cell).astype(int), np.uint8)
    for depth in np.arange(0, _WALL_M, cell / 2):
        row, column = np.floor((surface + depth * back - low) / cell).astype(int).T[::-1]
        mask[row.clip(0, mask.shape[0] - 1), column.clip(0, mask.shape[1] - 1)] = 1
    # closed along the two main directions: what stood before a wall leaves gaps in it
    length = max(3, int(_GAP_M / cell) | 1)
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    across = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((1, length), np.uint8))
    along = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((length, 1), np.uint8))
    mask = cv2.morphologyEx(across | along, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    found, _ = cv2.findContours(cv2.resize(mask, None, fx=2, fy=2, interpolation=0), cv2.RETR_CCOMP, 1)
    least = _HOLE_M2 / (cell / 2) ** 2
    outlines = [cv2.approxPolyDP(contour, 2.2, True)[:, 0] for contour in found if cv2.contourArea(contour) > least]
    return [page((outline + 0.5) / 2 * cell + low) for outline in outlines if len(outline) >= 3]


def _up_to_walls(cells: np.ndarray, wall: np.ndarray) -> np.ndarray:
    """A room with the cells around it and the wall beside it, so that no paper shows between floor, wall and door."""
    wider, widest = (cv2.dilate(cells.astype(np.uint8), np.ones((n, n), np.uint8)).astype(bool) for n in (3, 5))
    return wider | (widest & wall)


def _footprint(thing: MapObject, scene: Scene, page: _Page) -> np.ndarray | None:
    """The outline on the page of what a thing covers: its box where that fits, else the cells it lies over."""
    grid, cell = scene.grid, scene.grid.cell_m / 2
    local = _on_floor(scene.mesh.vertices[thing.vertices], scene)
    box = _on_floor(thing.corners()[:4], scene)
    low = local.min(0) - 2 * cell
    mask = np.zeros(np.ceil((local.max(0) - low) / cell).astype(int)[::-1] + 3, np.uint8)
    mask[tuple(np.floor((local - low) / cell).astype(int).T[::-1])] = 1
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    largest = max(outlines, key=cv2.contourArea)
    covered = cv2.contourArea(largest) * cell**2
    area = thing.extent_m[0] * thing.extent_m[1]
    if max(area, covered) < _LEAST_M2 * (grid.cell_m / 0.05) ** 2:
        return None
    if covered > 0.6 * area or len(largest) < 8:
        return page(box)
    return page((cv2.approxPolyDP(largest, 1.5, True)[:, 0] + 0.5) * cell + low)


def _on_floor(points: np.ndarray, scene: Scene) -> np.ndarray:
    T = scene.grid.T_world_floor
    return (points.astype(np.float64) - T[:3, 3]) @ T[:3, :2]


def _top(thing: MapObject, scene: Scene) -> float:
    T = scene.grid.T_world_floor
    return float((thing.T_world_box[:3, 3] - T[:3, 3]) @ T[:3, 2] + thing.extent_m[2] / 2)


def _tints(thing: MapObject, scene: Scene) -> tuple[Colour, Colour]:
    """Colour of the area and of its border."""
    space = scene.label_space
    own = np.array(space.palette[space.ids.index(thing.class_id)] if thing.class_id in space.ids else (128, 128, 128))
    return tuple(int(c) for c in 255 - 0.5 * (255 - own)), tuple(int(c) for c in 0.62 * own)


def _draw_on_wall(drawing: Drawing, thing: MapObject, scene: Scene, page: _Page) -> None:
    """Doors as an opening with a leaf, windows as panes, and what hangs on walls as a bar."""
    if thing.class_name not in ON_WALLS:
        return
    along = thing.T_world_box[:3, 0] if thing.extent_m[0] >= thing.extent_m[1] else thing.T_world_box[:3, 1]
    half = max(thing.extent_m[:2]) / 2
    ends = page(_on_floor(thing.T_world_box[:3, 3] + np.outer([-half, half], along), scene))
    d = (ends[1] - ends[0]) / max(np.linalg.norm(ends[1] - ends[0]), 1e-9)
    n, thick = np.array([-d[1], d[0]]), 0.5 * _WALL_M * page.scale
    if thing.class_name in ("door", "window"):
        pane = np.array([ends[0] + n * thick, ends[1] + n * thick, ends[1] - n * thick, ends[0] - n * thick])
        drawing.area(pane, fill=PAPER, stroke=INK if thing.class_name == "door" else GLASS, width=1.2)
    if thing.class_name == "window":
        drawing.line(ends, GLASS, 2.2)
    elif thing.class_name == "door" and half < 0.75 and _reaches_floor(thing, scene):
        middle = page(_on_floor(np.array([_nearest_room(thing, scene)]), scene))[0]
        side = n if (middle - ends[0]) @ n > 0 else -n
        turn = np.linspace(0, np.pi / 2, 16)[:, None]
        length = np.linalg.norm(ends[1] - ends[0])
        drawing.line(ends[0] + length * (np.cos(turn) * d + np.sin(turn) * side), SOFT_INK, 1.0)
        drawing.line(np.array([ends[0], ends[0] + length * side]), INK, 2.4)
    elif thing.class_name != "door":
        drawing.line(ends, _tints(thing, scene)[1], 4.0)


def _reaches_floor(thing: MapObject, scene: Scene) -> bool:
    return _top(thing, scene) - thing.extent_m[2] < 0.6 and thing.extent_m[2] > 1.0


def _nearest_room(thing: MapObject, scene: Scene) -> np.ndarray:
    room = scene.room_at(thing.centroid)
    return thing.centroid if room is None else scene.rooms[room].centroid


def _draw_path(drawing: Drawing, scene: Scene, page: _Page) -> None:
    if len(scene.T_world_cam) < 2:
        return
    path = page(_on_floor(scene.T_world_cam[:, :3, 3], scene))
    kept = np.concatenate([[True], np.linalg.norm(np.diff(path, axis=0), axis=1) > 0.3])
    if kept.sum() > 1:
        drawing.line(path[kept], PATH, 1.6, dash=5)
    for end, radius in ((path[0], 5.0), (path[-1], 3.5)):
        turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        drawing.area(end + radius * np.stack([np.cos(turn), np.sin(turn)], -1), fill=PATH, stroke=PAPER, width=1.2)


def _name_things(drawing: Drawing, things: list[MapObject], shapes: dict[int, np.ndarray | None]) -> None:
    """Writes names where they fit into their shapes, across or upwards, beside what lies on them."""
    drawn = [thing for thing in things if shapes[thing.id] is not None]
    drawn.sort(key=lambda thing: -thing.extent_m[0] * thing.extent_m[1])
    taken: list[np.ndarray] = []
    for i, thing in enumerate(drawn):
        low, high = shapes[thing.id].min(0), shapes[thing.id].max(0)
        on_top = [np.array([shapes[t.id].min(0), shapes[t.id].max(0)]) for t in drawn[i + 1 :]]
        upwards = (high - low)[1] > 1.3 * (high - low)[0]
        for size, share in itertools.product((17, 14, 12, 10.5), (0.5, 0.25, 0.75)):
            text = np.array([text_width(thing.class_name, size), size])
            text = text[::-1] if upwards else text
            middle = low + (high - low) * ((0.5, share) if upwards else (share, 0.5))
            box = np.array([middle - text / 2, middle + text / 2])
            fits = (box[0] > low - 0.03 * (high - low)).all() and (box[1] < high + 0.03 * (high - low)).all()
            if fits and not any(_meet(box, other) for other in [*taken, *on_top]):
                drawing.words(tuple(middle), thing.class_name, size, INK, "middle", upwards)
                taken.append(box)
                break


def _meet(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two rectangles [2,2] (low, high) overlap."""
    return bool((a[0] < b[1]).all() and (b[0] < a[1]).all())


def _name_rooms(drawing: Drawing, scene: Scene, page: _Page) -> None:
    """Writes each room's area where its floor is emptiest, away from the path."""
    walked = np.zeros(scene.grid.free.shape, bool)
    row, column = scene.grid.cells(scene.T_world_cam[:, :3, 3]).T
    within = (row >= 0) & (row < walked.shape[0]) & (column >= 0) & (column < walked.shape[1])
    walked[row[within], column[within]] = True
    for room in scene.rooms:
        empty = room.cells & scene.grid.free & ~walked
        clear = cv2.distanceTransform(empty.astype(np.uint8), cv2.DIST_L2, 5)
        at = page(_on_floor(scene.grid.world(np.array([np.unravel_index(clear.argmax(), clear.shape)])), scene))[0]
        unit = "m²" if scene.metric else "square units"
        drawing.words((at[0], at[1] - 11), f"Room {room.id + 1}", 18, INK, "middle")
        drawing.words((at[0], at[1] + 11), f"{room.area_m2:.1f} {unit}", 14, SOFT_INK, "middle")
