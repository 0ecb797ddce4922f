"""A path that hardly ends: does a run keep its memory and its speed? Frames, poses and depth are exact and generated.

python benchmarks/long_run.py [--frames 36000] [--memory-gb 1.2] [--out MAP.zarr] [--json]

A camera walks a corridor of 2.4 x 2.5 m with pillars, 1 cm a frame: 36,000 frames are 360 m and 20 minutes at 30
frames a second. All stages of a run with given poses and sensor depth take part: keyframes, fusion, submaps, commits
to disk; the merged surface is left out. Frames are 160x120, voxels 8 cm, commits 300 frames apart, so that it takes
some ten minutes of CPU time. Figures are for each tenth of the path: CPU time of this process without rendering,
which is measured apart, and the most memory that was resident when a frame was done. Without --out the map is removed
at the end; with it, the same command goes on where it was stopped, and reports what it ran.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mapping.store.header import MapHeader, Provenance
from mapping.store.reader import is_map
from pipelines.local import LocalExecutor
from pipelines.mapping_stage import MapProgress
from pipelines.memory_budget import resident_bytes
from pipelines.run import Job, run
from pipelines.settings import load_settings
from recordings.recording import Recording
from streammtl.camera import Camera
from streammtl.stopping import StopRequest
from streammtl.views import Frame

STEP_M = 0.01
HALF_WIDTH_M, FLOOR_M, CEILING_M = 1.2, 1.3, -1.2  # y points down
PILLAR_M, PILLARS_EVERY_M = 0.3, 2.0  # side; one on the left, then one on the right
FAR_M = 5.0
PARTS = 10


class Corridor(Recording):
    """Frames of a walk along z, looking ahead and a little around."""

    def __init__(self, count: int) -> None:
        super().__init__("corridor")
        self.kind = "recording"
        self.camera = Camera.pinhole(160, 120, 130.0, 130.0, 79.5, 59.5)
        self.width, self.height = 160, 120
        self.frame_count, self.fps = count, 30.0
        self.has_depth = self.has_poses = True
        self.rendering_s = 0.0  # CPU time
        v, u = np.mgrid[:120, :160].astype(np.float32)
        self._rays = np.stack([(u - 79.5) / 130, (v - 59.5) / 130, np.ones_like(u)], -1)

    def frames(self, start: int = 0) -> Iterator[Frame]:
        for index in range(start, self.frame_count):
            began = time.process_time()
            T_world_cam = pose(index)
            depth, image = self._render(T_world_cam)
            self.rendering_s += time.process_time() - began
            yield Frame(index, index / 30, image, self.camera, depth, T_world_cam)

    def _render(self, T_world_cam: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Depth f32 [h,w], 0 beyond reach, and a picture u8 [h,w,3] that follows the surfaces."""
        eye, rays = T_world_cam[:3, 3].astype(np.float32), self._rays @ T_world_cam[:3, :3].T.astype(np.float32)
        with np.errstate(divide="ignore"):
            per_ray = 1 / rays
        walls = ((HALF_WIDTH_M - eye[0]) * per_ray[..., 0], (-HALF_WIDTH_M - eye[0]) * per_ray[..., 0])
        flats = ((FLOOR_M - eye[1]) * per_ray[..., 1], (CEILING_M - eye[1]) * per_ray[..., 1])
        depth = np.minimum(np.maximum(*walls), np.maximum(*flats))
        first = math.floor(eye[2] / PILLARS_EVERY_M)
        for number in range(first, first + 1 + math.ceil((FAR_M + PILLAR_M) / PILLARS_EVERY_M)):
            x = (HALF_WIDTH_M - PILLAR_M / 2) * (1 if number % 2 else -1)
            centre = np.array([x, 0.0, number * PILLARS_EVERY_M], np.float32)
            size = np.array([PILLAR_M / 2, 2.0, PILLAR_M / 2], np.float32)
            a, b = (centre - size - eye) * per_ray, (centre + size - eye) * per_ray
            enter, leave = np.minimum(a, b).max(-1), np.maximum(a, b).min(-1)
            depth = np.where((enter < leave) & (enter > 0) & (enter < depth), enter, depth)
        points = eye + rays * depth[..., None]
        image = (80 * points).astype(np.int32).astype(np.uint8)
        return np.where(depth < FAR_M, depth, 0).astype(np.float32), image


def pose(index: int) -> np.ndarray:
    """Camera-to-world f64 [4,4]."""
    turn = 0.35 * math.sin(index / 97)
    T = np.eye(4)
    T[:3, :3] = [[math.cos(turn), 0, math.sin(turn)], [0, 1, 0], [-math.sin(turn), 0, math.cos(turn)]]
    T[:3, 3] = 0.3 * math.sin(index / 61), 0.05 * math.sin(index / 9), STEP_M * index
    return T


def measure(count: int, memory_gb: float, out: Path) -> dict:
    settings = load_settings(
        overrides=[
            "tracker=given",
            "model=planesweep",  # beside a sensor it has nothing to say
            "fusion.voxel_size_m=0.08",
            f"fusion.far_m={FAR_M}",
            f"run.memory_gb={memory_gb}",
            "run.commit_frames=300",
            "run.surface=false",
        ]
    )
    corridor = Corridor(count)
    header = MapHeader(
        voxel_size_m=settings.fusion.voxel_size_m,
        truncation_m=settings.fusion.truncation_m,
        label_space=None,
        config=settings.model_dump(mode="json"),
        provenance=Provenance(source="corridor", source_kind=corridor.kind),
    )
    job = Job(corridor, corridor.camera, settings, out, header, resume=is_map(out))
    seconds, peaks, reached = np.zeros(PARTS), np.zeros(PARTS), np.zeros(PARTS + 1, int)
    spent = None

    def watch(progress: MapProgress) -> None:
        nonlocal spent
        now = time.process_time() - corridor.rendering_s
        part = min((progress.next_frame - 1) * PARTS // count, PARTS - 1)
        if spent is not None:
            seconds[part] += now - spent[0]
            reached[part] += progress.next_frame - spent[1]
        peaks[part] = max(peaks[part], resident_bytes() / 1e6)
        spent = now, progress.next_frame

    outcome = run(job, LocalExecutor(), watch, StopRequest())
    per_frame = 1e3 * seconds / np.maximum(reached[:PARTS], 1)
    return {
        "frames": outcome.progress.next_frame,
        "first_frame_of_this_run": outcome.first_frame,
        "keyframes": outcome.progress.keyframes,
        "submaps": outcome.progress.submaps,
        "memory_budget_mb": 1e3 * memory_gb,
        "peak_resident_mb_of_each_tenth": peaks.round().tolist(),
        "cpu_ms_per_frame_of_each_tenth": per_frame.round(3).tolist(),
        "last_over_first": round(float(per_frame[-1] / per_frame[0]), 3) if per_frame[0] else None,
        "rendering_cpu_s": round(corridor.rendering_s, 1),
        "cpu_s": round(time.process_time(), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=36_000)
    parser.add_argument("--memory-gb", type=float, default=1.2)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="long_run_") as scratch:
        report = measure(options.frames, options.memory_gb, options.out or Path(scratch) / "m.zarr")
    if options.json:
        print(json.dumps(report))
        return
    for name, value in report.items():
        print(f"{name}: {value}")


if __name__ == "__main__":
    main()
