"""A folder of rendered clips, as the sampler draws from it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from threading import Lock

import numpy as np

from streammtl.data.clip import NEEDED, Clip, load_clip
from streammtl.data.clip_footage import ClipFootage
from streammtl.data.mapped_archive import map_archive
from streammtl.data.rare_classes import repeat_factors
from streammtl.errors import DataError

OPEN_CLIPS = 256  # mapped at a time


class ClipPool:
    """The clips of a folder, sub-folders included, in the order of their names; only what is used of them is read.

    The list is made once: clips that are added later belong to the next pool made of that folder.
    Only labels of `tasks` are taken, where they are given. Clips that show a class which less than `rare_below` of them
    show are drawn more often; all labels are looked through for that. Raises: DataError where there are no clips.
    """

    def __init__(self, folder: Path, tasks: Sequence[str] | None = None, rare_below: float = 0.0) -> None:
        self.folder, self._tasks = Path(folder), tasks
        self.paths = sorted(p for p in self.folder.rglob("*.npz") if not p.name.endswith(".partial.npz"))
        if not self.paths:
            raise DataError(f"{folder} holds no clips (*.npz); render some with `python -m pipelines.rooms`.")
        self._open: OrderedDict[int, Clip] = OrderedDict()
        self._lock = Lock()
        self._often: np.ndarray | None = None
        if rare_below > 0:
            factors = repeat_factors((open_clip(path).labels for path in self.paths), rare_below)
            self._often = factors / factors.sum()

    def __len__(self) -> int:
        return len(self.paths)

    def draw(self, rng: np.random.Generator) -> ClipFootage:
        """Any clip, each as often as it should be. Raises: DataError."""
        index = rng.integers(len(self)) if self._often is None else rng.choice(len(self), p=self._often)
        return ClipFootage(self.clip(int(index)), self._tasks)

    def clip(self, index: int) -> Clip:
        """The clip at that place of the list, its arrays backed by the file. Raises: DataError."""
        with self._lock:
            if index in self._open:
                self._open.move_to_end(index)
                return self._open[index]
        opened = open_clip(self.paths[index])
        with self._lock:
            self._open[index] = opened
            while len(self._open) > OPEN_CLIPS:
                self._open.popitem(last=False)
        return opened


def open_clip(path: Path) -> Clip:
    """A clip whose large arrays stay in the file until they are indexed. Raises: DataError."""
    arrays = map_archive(path)
    if not set(NEEDED) <= set(arrays):
        return load_clip(path)  # compressed, or incomplete: it says which
    known = Clip.__dataclass_fields__
    return Clip(**{name: array for name, array in arrays.items() if name in known})
