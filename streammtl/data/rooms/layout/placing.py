"""Puts pieces where people put them: along walls, free-standing, on top of each other, hung up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from streammtl.data.rooms.assembly import Assembly
from streammtl.data.rooms.layout.occupancy import Block, Occupancy
from streammtl.data.rooms.layout.plan import Wall, inside, walls_of
from streammtl.data.rooms.piece import Piece, Top, rotation_z

FLAT_M = 0.03  # lower things do not take floor space
WALL_SKIN_M = 0.02  # things keep off the wall by the skirting board


@dataclass(frozen=True)
class Placed:
    """A piece and where it stands."""

    piece: Piece
    at: np.ndarray  # f64 [3]
    yaw: float
    index: int | None = None  # of its block, if it takes space

    def world(self, local: Sequence[float]) -> np.ndarray:
        """Takes a point of the piece's frame to the world."""
        return rotation_z(self.yaw) @ np.asarray(local, np.float64) + self.at


class Layout:
    """The room being furnished: its walls, what stands where, and the mesh that grows."""

    def __init__(self, rng: np.random.Generator, floor: np.ndarray, height: float) -> None:
        self.rng = rng
        self.floor = floor
        self.height = height
        self.walls = walls_of(floor)
        self.taken = Occupancy()
        self.assembly = Assembly()
        self.focus: list[np.ndarray] = []

    def block(self, piece: Piece, at: np.ndarray, yaw: float) -> Block:
        """The space a piece takes when it stands there."""
        width, depth, height = piece.size
        centre = rotation_z(yaw) @ np.array([0.0, depth / 2, 0.0]) + at
        return Block((centre[0], centre[1]), (width / 2, depth / 2), yaw, float(at[2]), float(at[2] + height))

    def fits(self, piece: Piece, at: np.ndarray, yaw: float, gap: float = 0.0, beside: Placed | None = None) -> bool:
        """Whether the piece stands inside the room, below its ceiling, and touches nothing (but `beside`)."""
        block = self.block(piece, at, yaw)
        ignore = () if beside is None or beside.index is None else (beside.index,)
        if block.high > self.height or not inside(self.floor, block.corners(-0.01)).all():
            return False
        edges = np.concatenate(
            [block.corners(-0.01), 0.5 * (block.corners(-0.01) + np.roll(block.corners(-0.01), 1, 0))]
        )
        return bool(inside(self.floor, edges).all()) and self.taken.free(block, gap, ignore)

    def put(self, piece: Piece, at: np.ndarray, yaw: float, solid: bool = True) -> Placed:
        """Adds the piece without asking; `solid` pieces take their space."""
        at = np.asarray(at, np.float64)
        self.assembly.put(piece, rotation_z(yaw), at)
        index = self.taken.add(self.block(piece, at, yaw)) if solid and piece.size[2] > FLAT_M else None
        placed = Placed(piece, at, yaw, index)
        self.focus += [placed.world(point) for point in piece.focus]
        return placed

    def stand(
        self, piece: Piece, at: Sequence[float], yaw: float, gap: float = 0.0, beside: Placed | None = None
    ) -> Placed | None:
        """Puts a piece with its back's middle at (x, y[, z]) if it fits; it may reach under `beside`."""
        spot = np.array([*at, 0.0][:3], np.float64)
        return self.put(piece, spot, yaw) if self.fits(piece, spot, yaw, gap, beside) else None

    def stand_anywhere(
        self, piece: Piece, gap: float = 0.05, tries: int = 12, yaw: float | None = None
    ) -> Placed | None:
        """Puts a piece on free floor, turned at random."""
        low, high = self.floor.min(axis=0), self.floor.max(axis=0)
        for _ in range(tries):
            turn = self.rng.uniform(0, 2 * np.pi) if yaw is None else yaw
            placed = self.stand(piece, self.rng.uniform(low, high), turn, gap)
            if placed:
                return placed
        return None

    def against_wall(
        self,
        piece: Piece,
        walls: Sequence[Wall] | None = None,
        z: float = 0.0,
        off: float = WALL_SKIN_M,
        tries: int = 14,
    ) -> Placed | None:
        """Puts a piece with its back to a wall, often in a corner or beside what already stands there."""
        walls = [w for w in (walls or self.walls) if w.length > piece.size[0]]
        if not walls:
            return None
        half = piece.size[0] / 2
        chance = np.array([w.length for w in walls])
        for _ in range(tries):
            wall = walls[int(self.rng.choice(len(walls), p=chance / chance.sum()))]
            edges = [WALL_SKIN_M + half, wall.length - half - WALL_SKIN_M]
            edges += [b + half + 0.02 for _, b, _, _ in wall.taken] + [a - half - 0.02 for a, _, _, _ in wall.taken]
            snap = self.rng.random() < 0.5
            at = float(self.rng.choice(edges)) if snap else float(self.rng.uniform(half, max(half, wall.length - half)))
            placed = self.at_wall(piece, wall, at, z, off)
            if placed:
                return placed
        return None

    def at_wall(self, piece: Piece, wall: Wall, at: float, z: float = 0.0, off: float = WALL_SKIN_M) -> Placed | None:
        """Puts a piece with its back to a wall, its middle `at` metres along it, if the wall is free there."""
        half = piece.size[0] / 2
        if not wall.free(at - half, at + half, z, z + piece.size[2]):
            return None
        spot = np.array([*wall.at(at, off), z])
        if not self.fits(piece, spot, wall.yaw):
            return None
        wall.taken.append((at - half, at + half, z, z + piece.size[2]))
        return self.put(piece, spot, wall.yaw)

    def hang(self, piece: Piece, low: float, high: float, walls: Sequence[Wall] | None = None) -> Placed | None:
        """Hangs a piece on a wall, its base between two heights."""
        z = float(self.rng.uniform(low, max(low, min(high, self.height - piece.size[2] - 0.05))))
        return self.against_wall(piece, walls, z, off=0.0)

    def reserve(self, centre: np.ndarray, half: tuple[float, float], yaw: float, high: float = 2.0) -> None:
        """Keeps a piece of floor free, as in front of doors."""
        self.taken.add(Block((float(centre[0]), float(centre[1])), half, yaw, 0.05, high, solid=False))

    def scatter(
        self, base: Placed, make: Callable[[np.random.Generator], Piece], count: int, only: Top | None = None
    ) -> list[Placed]:
        """Sets up to `count` small things on the tops of a piece, none inside another."""
        done = []
        tops = [only] if only else base.piece.tops
        for _ in range(count if tops else 0):
            top, piece = tops[int(self.rng.integers(len(tops)))], make(self.rng)
            for _ in range(4):
                turn = float(self.rng.choice([0.0, 0.0, self.rng.normal(0, 0.3), self.rng.uniform(0, 2 * np.pi)]))
                placed = self._somewhere_on(base, piece, top, turn)
                if placed:
                    done.append(placed)
                    break
        return done

    def _somewhere_on(self, base: Placed, piece: Piece, top: Top, turn: float) -> Placed | None:
        width, depth, height = piece.size
        c, s = abs(np.cos(turn)), abs(np.sin(turn))
        reach = 0.5 * np.array([width * c + depth * s, width * s + depth * c])
        room = np.array(top.high) - np.array(top.low) - 2 * reach
        if height > top.clear or room.min() < 0:
            return None
        return self._on_top(base, piece, np.array(top.low) + reach + self.rng.random(2) * room, top.z, turn)

    def on_top(self, base: Placed, piece: Piece, x: float, y: float, yaw: float = 0.0, top: int = 0) -> Placed | None:
        """Sets a piece on a top of another: its middle at (x, y) of the base's frame."""
        return self._on_top(base, piece, np.array([x, y]), base.piece.tops[top].z, yaw)

    def _on_top(self, base: Placed, piece: Piece, centre: np.ndarray, z: float, turn: float) -> Placed | None:
        yaw = base.yaw + turn
        middle = base.world((centre[0], centre[1], z + 0.001))
        at = middle - rotation_z(yaw) @ np.array([0.0, piece.size[1] / 2, 0.0])
        block = self.block(piece, at, yaw)
        ignore = () if base.index is None else (base.index,)
        if not self.taken.free(block, 0.0, ignore) or block.high > self.height:
            return None
        placed = self.put(piece, at, yaw, solid=False)
        # Even flat things keep others off their spot: two sheets of one heap would flicker.
        self.taken.add(Block(block.centre, block.half, yaw, block.low, max(block.high, block.low + 0.01)))
        return placed
