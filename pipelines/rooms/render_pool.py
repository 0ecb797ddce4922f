"""Writes a pool of rendered clips, one file each, going on where an earlier run stopped."""

from __future__ import annotations

import json
import logging
import multiprocessing
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from pipelines.rooms.camera_path import PathPlanner
from pipelines.rooms.camera_path_settings import PathSettings
from pipelines.rooms.render import Renderer
from pipelines.rooms.render_settings import RenderSettings
from streammtl.data.rooms.scene import Scene
from streammtl.errors import ConfigError, DataError, GeometryError

log = logging.getLogger(__name__)

# Rooms of different splits never share a seed.
SPLIT_STARTS = {"train": 0, "val": 10_000_000, "test": 20_000_000, "test3d": 30_000_000}
ROOMS_PER_SEED = 100_000
PROGRESS_S = 10.0

RoomBuilder = Callable[[int], Scene]


class PoolSettings(BaseModel):
    """What a pool holds; written beside it as pool.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    split: str = Field("train", description="train, val or test", pattern="^(train|val|test)$")
    seed: int = Field(0, description="which pool of the split; pools share no room", ge=0, lt=100)
    clips: int = Field(100, description="clips in the pool", ge=1, le=ROOMS_PER_SEED)
    frames: int = Field(10, description="frames of a clip", ge=2)
    height: int = Field(192, description="pixels", ge=16)
    width: int = Field(256, description="pixels", ge=16)
    clips_per_room: int = Field(1, description="clips filmed in one room", ge=1)
    furniture: str | None = Field(None, description="folder of furniture models; None: drawn shapes only")
    only_cc0: bool = Field(False, description="leave out models that ask for credit")
    path: PathSettings = PathSettings()
    render: RenderSettings = RenderSettings()

    def room_seed(self, room: int) -> int:
        return SPLIT_STARTS[self.split] + self.seed * ROOMS_PER_SEED + room


@dataclass(frozen=True)
class RoomReport:
    """What became of one room's clips."""

    room: int
    written: int
    problem: str | None = None  # why clips are missing, for people


def clip_path(folder: Path, clip: int) -> Path:
    return folder / f"{clip:06d}.npz"


def write_room(folder: Path, room: int, settings: PoolSettings, build: RoomBuilder) -> RoomReport:
    """Writes those clips of one room that are not there yet. A room that fails is reported, not raised.

    Raises: ConfigError and DataError of the builder, which say that no room can be built.
    """
    first = room * settings.clips_per_room
    clips = range(first, min(first + settings.clips_per_room, settings.clips))
    missing = [clip for clip in clips if not clip_path(folder, clip).exists()]
    if not missing:
        return RoomReport(room, 0)
    written, seed = 0, settings.room_seed(room)
    try:
        renderer = Renderer(build(seed), settings.render)
        planner = PathPlanner(renderer.scene, renderer.caster, settings.path, np.random.default_rng([seed, 0]))
        size = (settings.height, settings.width)
        for clip in missing:
            rng = np.random.default_rng([seed, 1 + clip - first])
            path = planner.path(settings.frames, size, rng)
            renderer.clip(path, size, rng).save(clip_path(folder, clip))
            written += 1
    except GeometryError as error:
        return RoomReport(room, written, str(error))
    except (ConfigError, DataError):  # every other room would fail, too
        raise
    except (ValueError, IndexError, ArithmeticError, RuntimeError) as error:
        # One odd room among thousands must not end the night's work; its seed is told, so that it can be looked at.
        log.warning("room of seed %d failed", seed, exc_info=True)
        return RoomReport(room, written, f"{type(error).__name__}: {error}")
    return RoomReport(room, written)


def write_pool(folder: Path, settings: PoolSettings, build: RoomBuilder, workers: int = 1) -> list[RoomReport]:
    """Writes every clip of a pool that `folder` lacks, and returns what became of the rooms.

    Raises: ConfigError when the folder holds a pool of other settings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _settle(folder, settings)
    rooms = -(-settings.clips // settings.clips_per_room)
    todo = [
        room
        for room in range(rooms)
        if not all(
            clip_path(folder, clip).exists()
            for clip in range(room * settings.clips_per_room, min((room + 1) * settings.clips_per_room, settings.clips))
        )
    ]
    log.info("%d of %d rooms to do in %s", len(todo), rooms, folder)
    reports: list[RoomReport] = []
    start = told = time.monotonic()
    for report in _reports(folder, todo, settings, build, workers):
        reports.append(report)
        if report.problem:
            log.warning("room %d skipped: %s", report.room, report.problem)
        if time.monotonic() - told > PROGRESS_S:
            told = time.monotonic()
            _tell(reports, len(todo), settings, told - start)
    _tell(reports, len(todo), settings, time.monotonic() - start)
    return reports


def _settle(folder: Path, settings: PoolSettings) -> None:
    """Leaves the settings beside the clips; a pool may grow, but not change."""
    note = folder / "pool.json"
    wanted = json.loads(settings.model_dump_json())
    if note.exists() and _content(json.loads(note.read_text())) != _content(wanted):
        raise ConfigError(f"{folder} holds a pool of other settings (see {note.name}); choose another folder.")
    note.write_text(json.dumps(wanted, indent=1) + "\n")


def _content(note: dict) -> dict:
    """What makes clips of one number alike: not how many there are, nor where the furniture lies."""
    return {**note, "clips": None, "furniture": note.get("furniture") is not None}


def _reports(
    folder: Path, todo: list[int], settings: PoolSettings, build: RoomBuilder, workers: int
) -> Iterator[RoomReport]:
    jobs = [(folder, room, settings, build) for room in todo]
    if workers <= 1:
        _one_thread()
        yield from (write_room(*job) for job in jobs)
        return
    with multiprocessing.get_context("spawn").Pool(workers, initializer=_one_thread) as pool:
        yield from pool.imap_unordered(_write_room, jobs)


def _one_thread() -> None:
    """Workers share the machine, and sums must not depend on how many threads made them."""
    torch.set_num_threads(1)


def _write_room(job: tuple[Path, int, PoolSettings, RoomBuilder]) -> RoomReport:
    return write_room(*job)


def _tell(reports: list[RoomReport], rooms: int, settings: PoolSettings, seconds: float) -> None:
    written, skipped = sum(r.written for r in reports), sum(r.problem is not None for r in reports)
    left = (rooms - len(reports)) * seconds / max(len(reports), 1)
    log.info(
        "%d/%d rooms, %d clips written, %d rooms skipped, %.1f images/s, %.0f min left",
        len(reports),
        rooms,
        written,
        skipped,
        written * settings.frames / max(seconds, 1e-3),
        left / 60,
    )
