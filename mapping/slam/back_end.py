"""Bundle adjustment beside tracking: begun at a keyframe, taken up some frames later.

Their number depends on the size of the problem alone, so that runs repeat: a solution that is ready early waits, and
tracking waits for one that is late.
"""

from __future__ import annotations

import numpy as np

from mapping.slam.adjuster_process import Job, adjuster
from mapping.slam.adjustment import AdjustedKeyframes, AdjustedTracks, Adjustment, Solution
from mapping.slam.lens import Lens
from mapping.slam.local_map import LocalMap
from mapping.slam.settings import TrackerSettings

_SIGHTINGS_PER_FRAME = 1500  # are adjusted while a frame is tracked


class BackEnd:
    """The one adjustment that is under way, and whether another is wanted after it."""

    def __init__(self, settings: TrackerSettings, lens: Lens, has_depth: bool) -> None:
        self.settings = settings
        self.has_depth = has_depth
        self._adjustment = Adjustment(lens)
        self._under_way: Job | Solution | None = None
        self._due = -1  # frame index
        self._wanted = False  # keyframes came that no adjustment has seen
        self._narrow = 0  # adjustments since one looked far back
        self._settled = -1  # frame index: what came before was moved by a loop, of which no landmark tells
        adjuster.start()

    def want(self) -> None:
        """A keyframe was inserted."""
        self._wanted = True

    def begin(self, local_map: LocalMap, index: int) -> None:
        """Starts on the map as it is at the frame `index`, where one is wanted and none under way."""
        if not self._wanted or self._under_way is not None:
            return
        self._wanted = False
        self._narrow = (self._narrow + 1) % self.settings.wide_every
        wide = not (self._narrow or self.has_depth)
        problem = self._adjustment.problem(local_map, self._window(local_map, wide))
        if problem is not None:
            self._under_way = adjuster.submit(problem)
            self._due = index + 1 + len(problem.seen.view) // _SIGHTINGS_PER_FRAME

    def _window(self, local_map: LocalMap, wide: bool) -> int:
        """How many keyframes may move: a wide adjustment that went back over a loop would open it again."""
        if not wide:
            return self.settings.window
        unsettled = int((local_map.keyframes.index > self._settled).sum())
        return max(self.settings.window, min(self.settings.wide_window, unsettled))

    def is_due(self, index: int) -> bool:
        """Whether the frame `index` is to take up what is under way."""
        return self._under_way is not None and index >= self._due

    def take_up(self, local_map: LocalMap) -> np.ndarray:
        """Moves the map as what is under way has it; gives the rows of the keyframes that moved."""
        if self._under_way is None:
            return np.zeros(0, int)
        solution, self._under_way = self._solution(), None
        return self._adjustment.take_up(local_map, solution)

    def settle(self, index: int) -> None:
        """A loop has moved the map, up to the frame `index`: what is under way no longer fits."""
        self._under_way, self._wanted, self._settled = None, True, index

    def _solution(self) -> Solution:
        return adjuster.result(self._under_way) if isinstance(self._under_way, Job) else self._under_way

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything as plain arrays; waits for what is under way, and leaves it to be taken up."""
        solution = Solution(AdjustedKeyframes(), AdjustedTracks()) if self._under_way is None else self._solution()
        counters = [self._under_way is not None, self._due, self._wanted, self._narrow, self._settled]
        return {**solution.to_arrays(), "adjusted.counters": np.array(counters, np.int64)}

    def from_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        under_way, self._due, wanted, self._narrow, self._settled = arrays["adjusted.counters"].tolist()
        self._wanted = bool(wanted)
        self._under_way = Solution.from_arrays(arrays) if under_way else None
