"""The stage that owns the map: fuses keyframes into the open submap and commits."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mapping.fusion.anchor import new_anchor
from mapping.fusion.choice import Grid, fusion_device, grid_from, new_grid
from mapping.fusion.on_disk import array_on_disk, on_disk
from mapping.records import FrameRecord, KeyframeRecord, Submap
from mapping.slam.rigid import moved_pose
from mapping.slam.scale import ScaleEstimate, depth_ratio
from mapping.slam.scale_drift import ScaleDrift
from mapping.slam.scale_path import PathScale
from mapping.slam.tracked import Correction, TrackedFrame, TrackStatus, Trajectory
from mapping.slam.view_selection import ViewTuple
from mapping.store.header import MapHeader, Progress, ScaleRecord
from mapping.store.reader import open_map
from mapping.store.writer import MapWriter
from mapping.surface.map_mesh import surface_pieces
from pipelines.closed_submaps import ClosedSubmaps
from pipelines.heap import give_back, share_arenas
from pipelines.memory_budget import MemoryBudget
from pipelines.observing import observed
from pipelines.settings import Settings
from pipelines.stages import Prediction, State, Step
from streammtl.errors import StageError, StreamMtlError
from streammtl.views import ScaleStatus

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class MapProgress:
    """How far the map has come; what a progress line shows."""

    next_frame: int
    frames: Counter
    keyframes: int
    submaps: int
    blocks: int  # of the open submap
    committed_frame: int  # frames below are safe on disk


@dataclass
class _Growing:
    """A submap that is not closed yet."""

    number: int
    component: int
    T_world_submap: np.ndarray
    grid: Grid
    first_frame: int
    keyframes: int = 0


class Mapping:
    """(Step, Prediction) -> voxels, records and commits.

    Memory holds the open submap and the one before it. The one before takes no more voxels but stays until the next one
    is full, so that its frames follow bundle adjustment until they are final. Voxels of closed submaps and images of
    keyframes wait for their commit in files.
    """

    def __init__(self, settings: Settings, path: Path, header: MapHeader, resume: bool) -> None:
        share_arenas()
        self._settings = settings
        self._path = Path(path)
        self._voxels_here = fusion_device(settings.fusion).type == "cpu"  # in the memory that is kept to a budget
        self._budget = MemoryBudget(1e9 * settings.run.memory_gb)
        writer = MapWriter.resume(path, settings.store) if resume else MapWriter.create(path, header, settings.store)
        self._writer = writer
        self._header = writer.header
        self._started_s = time.monotonic() - writer.progress.elapsed_s
        self._frames = Counter(writer.progress.frames_by_status)  # of closed submaps
        self._next_frame = self._committed = writer.progress.next_frame
        self._keyframes = writer.header.keyframes
        self._trajectory = Trajectory()
        self._fused: set[int] = set()  # keyframes among the frames of the trajectory
        self._open: _Growing | None = None
        self._settling: _Growing | None = None
        self._closed: list[Submap] = []
        self._lie = ClosedSubmaps()
        self._records: list[KeyframeRecord] = []
        self._scale: ScaleEstimate | None = None
        self._path_scale: PathScale | None = None
        self._drift = ScaleDrift()
        if resume:
            self._restore(writer.state.get("mapping", {}))

    def start(self) -> tuple[MapHeader, dict[str, State]]:
        """The header and the stage states of the last commit: where the other stages go on from."""
        return self._header, self._writer.state

    def integrate(self, item: tuple[Step, Prediction | None]) -> MapProgress:
        """Takes the next step and what the model said of its keyframe."""
        step, prediction = item
        try:
            for move in step.moves:
                self._correct(move)
                self._trajectory.correct(move)
            for tracked in step.tracked:
                if tracked.correction is not None:
                    self._correct(tracked.correction)
                self._trajectory.add(tracked)
                self._next_frame = tracked.index + 1
            self._scale, self._path_scale = step.scale or self._scale, step.path_scale or self._path_scale
            if step.views is not None:
                self._fuse(step.views, prediction)
            grids = [growing.grid for growing in (self._settling, self._open) if growing is not None]
            held = sum(map(len, grids)) if self._voxels_here else 0
            too_long = len(self._trajectory) > 2 * self._settings.run.frames_per_submap
            if too_long or self._budget.asks_to_close(held):
                self._close_all()
            if step.checkpoint is not None:
                self._commit(step.checkpoint, complete=False)
        except StreamMtlError:
            raise
        except Exception as error:
            logger.exception("unexpected error in the mapping stage")
            raise StageError(f"mapping failed before frame {self._next_frame}: {error!r}") from error
        return self._progress()

    def finish(self, checkpoint: dict[str, State], complete: bool, dropped: int) -> MapProgress:
        """Last commit. A complete recording closes its submap; an interrupted one leaves it open to go on later."""
        if complete:
            self._close_all()
        self._commit(checkpoint, complete, dropped)
        self._writer.write_trajectory()
        if self._settings.run.surface:
            pieces = surface_pieces(open_map(self._path), at_once=self._budget.blocks_meshed_at_once)
            self._writer.write_surface(pieces)
        return self._progress()

    def close(self) -> None:
        """Frees the map for other writers."""
        self._writer.close()

    def _correct(self, correction: Correction) -> None:
        """Moves the submaps of a component as the middle of their stretch moves; their voxels stay as they are."""

        for growing, end in ((self._settling, self._settling_end()), (self._open, self._next_frame)):
            if growing is not None and growing.component == correction.component:
                S_new_old = correction.at((growing.first_frame + end) // 2)
                growing.T_world_submap = moved_pose(S_new_old, growing.T_world_submap)
                growing.component = correction.joined
        self._lie.correct(correction)
        self._closed = [self._lie.placed(submap) for submap in self._closed]

    def _fuse(self, views: ViewTuple, prediction: Prediction | None) -> None:
        reference = views.reference
        if self._open is not None and (self._is_full(self._open) or self._open.component != views.component):
            self._settle()
        if self._open is None:
            self._begin(views.component, reference.T_world_cam, reference.index)
        T_submap_cam = np.linalg.inv(self._open.T_world_submap) @ reference.T_world_cam
        observation = observed(reference, prediction, T_submap_cam, self._settings.run.depth)
        if observation is None:
            return
        if views.scale_status is ScaleStatus.METRIC and (prediction is None or prediction.metric):
            trust = observation.confidence if observation.confidence is not None else observation.depth_m > 0
            ratio = depth_ratio(observation.depth_m, trust, views, self._settings.scale.min_points)
            if ratio is not None:
                self._drift.take(ratio, "sensor depth" if prediction is None else "predicted depth", reference.index)
        opened = self._open
        opened.grid.integrate(observation)
        opened.keyframes += 1
        self._keyframes += 1
        self._fused.add(reference.index)
        labels = observation.label_ids
        confidence = observation.confidence
        self._records.append(
            KeyframeRecord(
                frame=reference.index,
                timestamp_s=reference.timestamp_s,
                submap=opened.number,
                T_submap_cam=observation.T_submap_cam,
                camera=reference.camera,
                image=array_on_disk(reference.image, self._aside),
                depth_m=observation.depth_m,
                confidence=confidence if confidence is not None else (observation.depth_m > 0).astype(np.float32),
                label_ids=labels[..., 0] if labels is not None else np.zeros(observation.depth_m.shape, np.uint8),
            )
        )

    def _is_full(self, growing: _Growing) -> bool:
        most_keyframes = self._settings.run.keyframes_per_submap
        return growing.keyframes >= most_keyframes or len(growing.grid) >= self._budget.blocks_per_submap

    @property
    def _aside(self) -> Path | None:
        """Where files wait that are too large for memory: beside the map where it lies in a folder."""
        return self._path if self._path.is_dir() else None

    def _begin(self, component: int, T_world_cam: np.ndarray, first_frame: int) -> None:
        number = self._next_number()
        first_frame = self._first_frame(component, first_frame)
        anchor = new_anchor(T_world_cam, self._settings.fusion)
        self._open = _Growing(number, component, anchor, new_grid(self._settings.fusion), first_frame)

    def _first_frame(self, component: int, keyframe: int) -> int:
        """Frames without a submap so far belong to the new one; so do those in which its component started."""
        if self._settling is not None and self._settling.component == component:
            return keyframe
        first = keyframe
        for frame in reversed(self._trajectory.frames()):
            if self._settling is not None and frame.index < keyframe and frame.component != component:
                break
            first = min(first, frame.index)
        return first

    def _next_number(self) -> int:
        taken = [entry.number for entry in self._header.submaps] + [submap.number for submap in self._closed]
        taken += [growing.number for growing in (self._settling, self._open) if growing is not None]
        return max(taken, default=-1) + 1

    def _settle(self) -> None:
        """The open submap takes no more voxels; the one before it is final."""
        if self._settling is not None:
            self._close(self._settling, before=self._open.first_frame)
        self._open.grid.round_to_stored()
        self._settling, self._open = self._open, None

    def _close_all(self) -> None:
        """Everything so far is final. Frames without any keyframe go into an empty submap."""
        if self._open is None and self._settling is None and len(self._trajectory):
            self._begin(0, np.eye(4), self._next_frame)
        if self._settling is not None:
            self._close(self._settling, before=self._settling_end())
        if self._open is not None:
            self._close(self._open, before=self._next_frame)
        self._settling = self._open = None

    def _settling_end(self) -> int:
        return self._next_frame if self._open is None else self._open.first_frame

    def _close(self, growing: _Growing, before: int) -> None:
        """Closes a submap with its frames before `before`; its voxels leave memory and wait for the next commit."""
        submap = self._snapshot(growing, before, closed=True)
        submap = replace(submap, blocks=on_disk(submap.blocks, self._aside))
        self._lie.add(submap, middle=(growing.first_frame + before) // 2)
        self._frames.update(record.status.value for record in submap.frames)
        self._closed.append(submap)
        self._trajectory.forget_before(before)
        self._fused = {i for i in self._fused if i >= before}

    def _snapshot(self, growing: _Growing, before: int, closed: bool) -> Submap:
        T_submap_world = np.linalg.inv(growing.T_world_submap)
        held = self._trajectory.frames()
        frames = [self._record(f, T_submap_world) for f in held if growing.first_frame <= f.index < before]
        blocks = growing.grid.blocks()
        return Submap(growing.number, growing.component, growing.T_world_submap, blocks, frames, closed)

    def _record(self, tracked: TrackedFrame, T_submap_world: np.ndarray) -> FrameRecord:
        posed = tracked.T_world_cam is not None
        return FrameRecord(
            index=tracked.index,
            timestamp_s=tracked.timestamp_s,
            T_submap_cam=T_submap_world @ tracked.T_world_cam if posed else np.full((4, 4), np.nan),
            status=tracked.status,
            scale_status=tracked.scale_status,
            keyframe=tracked.index in self._fused,
            confidence=tracked.confidence,
        )

    def _commit(self, states: dict[str, State], complete: bool, dropped: int = 0) -> None:
        self._header = self._header.model_copy(
            update={"scale": self._scale_record(), "progress": self._progress_record(complete, dropped)}
        )
        anchors, components = self._lie.moved(self._header)
        self._writer.commit(
            submaps=self._uncommitted(),
            keyframes=self._records,
            state={**states, "mapping": self._state()},
            header=self._header,
            anchors=anchors,
            components=components,
        )
        self._header = self._writer.header
        self._closed, self._records = [], []
        self._committed = self._next_frame
        give_back()

    def _uncommitted(self) -> Iterator[Submap]:
        """Submaps as they are now, one copy of voxels at a time."""
        yield from self._closed
        if self._settling is not None:
            yield self._snapshot(self._settling, before=self._settling_end(), closed=False)
        if self._open is not None:
            self._open.grid.round_to_stored()
            yield self._snapshot(self._open, before=self._next_frame, closed=False)

    def _scale_record(self) -> ScaleRecord:
        if self._scale is None:
            return self._header.scale
        scale = self._scale
        value = scale.factor if scale.status == "metric" else None
        return ScaleRecord(
            status=scale.status,
            value=value,
            method=scale.method,
            interval=scale.interval,
            along_path=self._drift.along_path,
            over_recording=self._path_scale.over_recording if self._path_scale is not None else None,
            corrected=self._path_scale.corrected if self._path_scale is not None else None,
        )

    def _progress_record(self, complete: bool, dropped: int) -> Progress:
        return Progress(
            next_frame=self._next_frame,
            frames_by_status=dict(self._counts()),
            dropped=self._header.progress.dropped + dropped,
            elapsed_s=time.monotonic() - self._started_s,
            complete=complete,
        )

    def _counts(self) -> Counter:
        return self._frames + Counter(frame.status.value for frame in self._trajectory.frames())

    def _progress(self) -> MapProgress:
        return MapProgress(
            next_frame=self._next_frame,
            frames=self._counts(),
            keyframes=self._keyframes,
            submaps=self._next_number(),
            blocks=0 if self._open is None else len(self._open.grid),
            committed_frame=self._committed,
        )

    def _state(self) -> State:
        return {
            "settling": _as_array(self._settling),
            "open": _as_array(self._open),
            "drift": self._drift.state(),
            "closed": self._lie.state(),
            "fused": np.array(sorted(self._fused), np.int64),
            "closed_frames": np.array([self._frames[status.value] for status in TrackStatus], np.int64),
            **{f"trajectory_{name}": array for name, array in self._trajectory.state().items()},
        }

    def _restore(self, state: State) -> None:
        if not state:
            return
        prefix = "trajectory_"
        self._trajectory.restore({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})
        self._drift = ScaleDrift.restored(state["drift"])
        self._fused = {int(i) for i in state["fused"]}
        self._frames = Counter(dict(zip([s.value for s in TrackStatus], state["closed_frames"].tolist(), strict=True)))
        self._lie = ClosedSubmaps.restored(state["closed"], self._header)
        self._settling, self._open = self._restored(state["settling"]), self._restored(state["open"])

    def _restored(self, growing: np.ndarray) -> _Growing | None:
        if not len(growing):
            return None
        number, component, first_frame, keyframes = (int(x) for x in growing)
        submap = open_map(self._path).submap(number)
        grid = grid_from(self._settings.fusion, submap.blocks)
        return _Growing(number, component, submap.T_world_submap, grid, first_frame, keyframes)


def _as_array(growing: _Growing | None) -> np.ndarray:
    if growing is None:
        return np.zeros(0, np.int64)
    return np.array([growing.number, growing.component, growing.first_frame, growing.keyframes], np.int64)
