"""Scale along the path: where tracking may have lost its unit, a network's depth says by how much.

Tracking from images hands its unit on from landmarks to landmarks. Where few of them tie a pose down - fast turns, bare
walls - the unit behind it may be another one. A network sees metres in every keyframe, badly but each time anew.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import numpy as np

from mapping.slam.rigid import moved_pose, scale_of
from mapping.slam.table import Table
from mapping.slam.tracked import Correction, TrackedFrame, TrackStatus, nearest_place

CONFIDENT = 0.99  # poses that are as well known as this hand the unit on as it is
STEP_SIGMA = 0.2  # of the log scale, behind a pose of which nothing is known
KEYFRAME_SIGMA = 0.8  # of a network's log ratio: 0.25 from place to place, and some ten keyframes show the same place
NOTABLE = 0.02  # in log scale: what moves the map
UNKNOWN = 1e6  # variance


class Chain(Table):
    """Keyframes of one component in order, and the similarities from the tracker's world to the map's."""

    columns: ClassVar[dict[str, tuple[str, tuple[int, ...]]]] = {
        "index": ("i8", ()),
        "centre": ("f8", (3,)),  # of the camera, in the tracker's world
        "log_ratio": ("f8", ()),  # of the network's depth to that of tracked points; NaN: not known
        "doubt": ("f8", ()),  # the largest since the keyframe before
        "log_factor": ("f8", ()),  # x -> factor x + shift
        "shift": ("f8", (3,)),
    }

    def __init__(self) -> None:
        super().__init__()
        self.dropped = np.array([0.0, UNKNOWN])  # mean and variance of the log scale that keyframes before these tell

    def similarities(self, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """S_map_tracker f64 [...,4,4] of rows [...], of all [N] when left out."""
        factor = np.exp(self.log_factor[rows])
        S = np.zeros((*factor.shape, 4, 4))
        S[..., [0, 1, 2], [0, 1, 2]] = factor[..., None]
        S[..., :3, 3], S[..., 3, 3] = self.shift[rows], 1.0
        return S

    @property
    def is_moved(self) -> bool:
        """Whether the two worlds differ."""
        return bool(self.log_factor.any() or self.shift.any())

    def refitted(self) -> np.ndarray:
        """The logs of factors [N] that all ratios so far make most likely; that of the first keyframe stays."""
        log_scale = smoothed(self.log_ratio, STEP_SIGMA * np.sqrt(self.doubt), KEYFRAME_SIGMA, *self.dropped)
        return self.log_factor[0] + log_scale - log_scale[0]

    def take_over(self, log_factor: np.ndarray) -> None:
        """New factors; shifts keep the path in one piece, halfway between keyframes, from the first on."""
        centre, factor = 0.5 * (self.centre[1:] + self.centre[:-1]), np.exp(log_factor)
        jumps = (factor[:-1] - factor[1:])[:, None] * centre
        self.shift = self.shift[0] + np.vstack([np.zeros(3), np.cumsum(jumps, axis=0)])
        self.log_factor = log_factor

    def drop_first(self) -> None:
        """Forgets the first keyframe, but not what it tells."""
        mean, variance = self.dropped[0], self.dropped[1] + STEP_SIGMA**2 * self.doubt[0]
        gain = 0.0 if np.isnan(self.log_ratio[0]) else variance / (variance + KEYFRAME_SIGMA**2)
        self.dropped = np.array([mean + gain * np.nan_to_num(self.log_ratio[0] - mean), (1 - gain) * variance])
        self.keep(np.arange(len(self)) > 0)

    def release(self) -> None:
        """No doubt was justified: both worlds are one, and so is the scale of all keyframes."""
        self.doubt[:], self.log_factor[:], self.shift[:], self.dropped = 0.0, 0.0, 0.0, np.array([0.0, UNKNOWN])

    def sort(self) -> None:
        """Brings the rows into the order of their frames."""
        order = np.argsort(self.index)
        for name in self.columns:
            setattr(self, name, getattr(self, name)[order])


def smoothed(
    log_ratio: np.ndarray, step_sigma: np.ndarray, sigma: float, mean: float = 0.0, variance: float = UNKNOWN
) -> np.ndarray:
    """The most likely log scale [N] of a random walk with steps of those sigmas [N], seen with noise; NaN: not seen.

    It begins, before its first step, with that mean and variance. Where no step is taken the scale is one.
    Source: Rauch, Tung and Striebel, Maximum likelihood estimates of linear dynamic systems, AIAA Journal 1965.
    """
    count = len(log_ratio)
    means, variances, foreseen = np.zeros(count), np.zeros(count), np.zeros(count)
    for i in range(count):
        variance += step_sigma[i] ** 2
        foreseen[i] = variance
        if not np.isnan(log_ratio[i]):
            gain = variance / (variance + sigma**2)
            mean, variance = mean + gain * (log_ratio[i] - mean), (1 - gain) * variance
        means[i], variances[i] = mean, variance
    for i in range(count - 2, -1, -1):
        means[i] += variances[i] / foreseen[i + 1] * (means[i + 1] - means[i])
    return means


@dataclass(frozen=True)
class PathScale:
    """What the keyframes of a path tell of its scale."""

    over_recording: float  # the network's metres in a unit of the map
    corrected: tuple[float, float]  # least and largest factor by which lengths along the path are multiplied


@dataclass
class ScalePath:
    """Keeps lengths along the path to the unit of its beginning.

    What comes from tracking goes through `before` and `placed`, keyframes with their ratios through `take`. A component
    whose poses are all well known stays as it is, to the bit. A loop, or a place from which a lost camera begins anew,
    tells more of the scale than a network: the doubts before it are dropped, and with them what they had moved.
    Bounded: of more than `most` keyframes of a component, the first are final.
    """

    most: int = 2000
    chains: dict[int, Chain] = field(default_factory=dict)
    _doubts: dict[int, float] = field(default_factory=dict)  # frame index -> doubt, since the last keyframe
    _of: list[tuple[int, int]] = field(default_factory=list)  # first frame index, component from there on
    _lost: bool = False
    _learnt: int = -1  # component of which something was learnt that may move the map

    def told(self) -> PathScale | None:
        """What all keyframes tell; None where none told anything."""
        ratios = np.concatenate([np.zeros(0), *(chain.log_ratio for chain in self.chains.values())])
        factors = np.concatenate([np.zeros(0), *(chain.log_factor for chain in self.chains.values())])
        if np.isnan(ratios).all():
            return None
        over_recording, least, most = np.exp([np.nanmedian(ratios - factors), factors.min(), factors.max()]).tolist()
        return PathScale(over_recording, (least, most))

    def before(self, tracked: Sequence[TrackedFrame]) -> list[Correction]:
        """What has to move before these frames are placed. Their own corrections then hold as they are."""
        moves = self._refitted(self._learnt) if self._learnt in self.chains else []
        self._learnt = -1
        for frame in tracked:
            self._note(frame)
            elsewhere = self._lost and frame.T_world_cam is not None and frame.reference == frame.index
            if elsewhere or frame.correction is not None:
                moves += self._released()
            if frame.correction is not None:
                self._correct(frame.correction)
            self._lost = frame.status is TrackStatus.LOST
        return moves

    def _note(self, frame: TrackedFrame) -> None:
        if not self._of or self._of[-1][1] != frame.component:
            self._of.append((frame.index, frame.component))
        doubt = CONFIDENT - frame.confidence
        if frame.T_world_cam is not None and doubt > 0 and frame.component in self.chains:
            self._doubts[frame.index] = doubt
        if len(self._doubts) > self.most:
            first, second = list(self._doubts)[:2]
            self._doubts[second] = max(self._doubts.pop(first), self._doubts[second])

    def _refitted(self, component: int) -> list[Correction]:
        chain = self.chains[component]
        log_factor = chain.refitted()
        if np.abs(log_factor - chain.log_factor).max() < NOTABLE:
            return []
        before = chain.similarities()
        chain.take_over(log_factor)
        return [Correction(component, component, chain.index.copy(), chain.similarities() @ np.linalg.inv(before))]

    def _released(self) -> list[Correction]:
        """Drops all doubts; what they had moved goes back."""
        moves = []
        self._doubts.clear()
        for component, chain in self.chains.items():
            if chain.is_moved:
                back = np.linalg.inv(chain.similarities())
                moves.append(Correction(component, component, chain.index.copy(), back))
            chain.release()
        return moves

    def _correct(self, correction: Correction) -> None:
        """The tracker's world moves, and with it what is known of its keyframes. No chain is moved at that time."""
        self._of = [(i, correction.joined if c == correction.component else c) for i, c in self._of]
        chain = self.chains.pop(correction.component, None)
        if chain is None:
            return
        S = correction.at(chain.index)
        chain.centre = np.einsum("nij,nj->ni", S[:, :3, :3], chain.centre) + S[:, :3, 3]
        chain.log_ratio = chain.log_ratio - np.log(scale_of(S))
        older = self.chains.get(correction.joined)
        if older is not None:
            chain.append(**{name: getattr(older, name) for name in Chain.columns})
            chain.sort()
        self.chains[correction.joined] = chain

    def take(self, component: int, index: int, T_world_cam: np.ndarray, ratio: float | None) -> None:
        """A keyframe at its pose in the tracker's world, and how the network's depth relates to its points'."""
        chain = self.chains.setdefault(component, Chain())
        first = not len(chain)
        doubt = 0.0 if first else max((doubt for i, doubt in self._doubts.items() if i <= index), default=0.0)
        self._doubts = {i: doubt for i, doubt in self._doubts.items() if i > index}
        chain.append(
            index=np.array([index]),
            centre=T_world_cam[:3, 3],
            log_ratio=np.nan if ratio is None else np.log(ratio),
            doubt=doubt,
            log_factor=0.0 if first else chain.log_factor[-1],
            shift=np.zeros(3) if first else chain.shift[-1],
        )
        while len(chain) > self.most:  # more than one where components were joined
            chain.drop_first()
        self._learnt = component if ratio is not None and chain.doubt.any() else -1

    def at(self, component: int, index: int) -> np.ndarray | None:
        """S_map_tracker f64 [4,4] of a frame; None where the worlds are one."""
        chain = self.chains.get(component)
        return chain.similarities(nearest_place(chain.index, index)) if chain is not None and chain.is_moved else None

    def placed(self, frame: TrackedFrame) -> TrackedFrame:
        """The frame in the map's world, with the poses that it revises."""
        revised = {index: _moved(self.at(self._component(index), index), T) for index, T in frame.revised.items()}
        S = self.at(frame.component, frame.index)
        if S is None:
            return replace(frame, revised=revised)
        unit = np.repeat([1.0, float(scale_of(S))], 3)
        return replace(
            frame,
            T_world_cam=None if frame.T_world_cam is None else moved_pose(S, frame.T_world_cam),
            covariance=None if frame.covariance is None else frame.covariance * np.outer(unit, unit),
            revised=revised,
        )

    def _component(self, index: int) -> int:
        row = bisect_right(self._of, (index, np.inf)) - 1
        return self._of[row][1] if row >= 0 else -1

    def state(self) -> dict[str, np.ndarray]:
        """Everything as arrays, exactly."""
        arrays = {
            "components": np.array(list(self.chains), np.int64),
            "doubts": np.array(list(self._doubts.items()), np.float64).reshape(-1, 2),
            "of": np.array(self._of, np.int64).reshape(-1, 2),
            "now": np.array([self._lost, self._learnt], np.int64),
        }
        for component, chain in self.chains.items():
            arrays |= chain.to_arrays(f"chain{component}")
            arrays[f"chain{component}.dropped"] = chain.dropped.copy()
        return arrays

    @classmethod
    def restored(cls, state: dict[str, np.ndarray]) -> Self:
        """What `state` was taken from."""
        path = cls()
        for component in state["components"].tolist():
            chain = path.chains[component] = Chain.from_arrays(state, f"chain{component}")
            chain.dropped = state[f"chain{component}.dropped"].copy()
        path._doubts = {int(index): doubt for index, doubt in state["doubts"].tolist()}
        path._of = [(index, component) for index, component in state["of"].tolist()]
        lost, path._learnt = state["now"].tolist()
        path._lost = bool(lost)
        return path


def _moved(S: np.ndarray | None, T_world_cam: np.ndarray) -> np.ndarray:
    return T_world_cam if S is None else moved_pose(S, T_world_cam)
