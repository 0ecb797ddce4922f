"""What all data sets of files have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pipelines.data_sets.file_footage import FileFootage, Truth
from pipelines.data_sets.files import read_colours, read_lines, read_size
from streammtl.camera import Camera
from streammtl.data.footage import FrameGeometry
from streammtl.data.sets.registry import register_data_set
from streammtl.data.sets.settings import DataSetSettings
from streammtl.errors import ConfigError, DataError

OPEN_TAKES = 256  # whose poses are kept
UNKNOWN_FOCAL = 0.85  # image widths, where a data set of single images has no calibration


@dataclass(frozen=True)
class Take:
    """Frames of one camera along one path: a scene, or a single image. `frames` mean something to their data set."""

    key: str  # for people and for the data set
    frames: tuple[Any, ...]
    references: int | None = None  # the first so many have labels; none: all


LabelReaders = Mapping[str, Callable[[Take, Any], Truth]]  # by task


class DataSet(ABC):
    """A data set on disk. Subclasses say where it comes from, find its takes, and read images, cameras and labels.

    Frames are drawn one as often as the other; depth beyond `far_m` is no label. `labels` {task: reader of (take,
    frame)} gives truth of whole images.
    Raises: ConfigError for a split or task that it does not have; DataError where it is not there.
    """

    name: ClassVar[str]
    where: ClassVar[str]  # where to get it and how to lay it out, in whole sentences
    splits: ClassVar[tuple[str, ...]] = ("train", "val")

    def __init__(
        self, root: Path, split: str = "train", tasks: Sequence[str] | None = None, far_m: float | None = None
    ) -> None:
        self.root, self.split, self.far_m = Path(root), split, far_m
        if split not in self.splits:
            raise ConfigError(f"{self.name} has no split {split!r}; it has {', '.join(self.splits)}.")
        if unknown := set(tasks or ()) - set(self.labels):
            raise ConfigError(
                f"{self.name} has no labels of {', '.join(sorted(unknown))}; it has {', '.join(self.labels)}."
            )
        self.tasks = tuple(self.labels) if tasks is None else tuple(tasks)
        if not self.root.is_dir():
            raise self.missing(self.root)
        self.takes = [take for take in self.find() if take.frames]
        if not self.takes:
            raise DataError(f"{self.name}: {self.root} holds nothing of split {split}. {self.where}")
        self._ends = np.cumsum([take.references or len(take.frames) for take in self.takes])
        self.geometry = lru_cache(OPEN_TAKES)(self.cameras)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "name" in cls.__dict__:
            register_data_set(cls.name)(cls.opened)

    @classmethod
    def opened(cls, settings: DataSetSettings) -> DataSet:
        return cls(settings.root, settings.split, settings.tasks, settings.far_m)

    @property
    @abstractmethod
    def labels(self) -> LabelReaders:
        """Readers of labels by task, in the conventions of Truth."""

    @abstractmethod
    def find(self) -> Iterable[Take]:
        """The takes of the split. Raises: DataError."""

    def picture(self, take: Take, frame: Any) -> Path:
        """The file of an image. Data sets whose images take more than decoding override the next two instead."""
        raise NotImplementedError(f"{type(self).__name__} must give picture, or image and size")

    def image(self, take: Take, frame: Any) -> np.ndarray:
        """u8 [H,W,3] sRGB. Raises: DataError."""
        return read_colours(self.picture(take, frame))

    def size(self, take: Take) -> tuple[int, int]:
        """Height and width of a take's images. Raises: DataError."""
        return read_size(self.picture(take, take.frames[0]))

    def cameras(self, take: Take) -> FrameGeometry:
        """Intrinsics and poses of a take's frames; those of an uncalibrated camera at the origin unless overridden."""
        height, width = self.size(take)
        focal = UNKNOWN_FOCAL * width
        camera = Camera.pinhole(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)
        return still_cameras(camera, len(take.frames))

    def __len__(self) -> int:
        """Frames with labels."""
        return int(self._ends[-1])

    def draw(self, rng: np.random.Generator) -> FileFootage:
        return self.footage(int(np.searchsorted(self._ends, rng.integers(len(self)), side="right")))

    def footage(self, take: int) -> FileFootage:
        """The take at that place of the list. Raises: DataError."""
        return FileFootage(self, self.takes[take])

    def path(self, *parts: str) -> Path:
        """A file or folder below the root. Raises: DataError where it is missing, or leads elsewhere."""
        path = self.inside(*parts)
        if not path.exists():
            raise self.missing(path)
        return path

    def inside(self, *parts: str) -> Path:
        """The same, whether it is there or not: names come from files, which may hold anything."""
        relative = Path(*parts)
        if relative.is_absolute() or ".." in relative.parts:
            raise DataError(f"{self.name}: a list in {self.root} names {relative}, which is not inside. {self.where}")
        return self.root / relative

    def missing(self, path: Path) -> DataError:
        return DataError(f"{self.name}: {path} is missing. {self.where}")

    def listed(self, *parts: str) -> list[str]:
        """Lines of a list file, blank ones left out."""
        return read_lines(self.path(*parts))


def still_cameras(camera: Camera, count: int) -> FrameGeometry:
    """Frames of a camera that does not move."""
    T = np.tile(np.eye(4), (count, 1, 1))
    return FrameGeometry(T, camera.K.astype(np.float32), (camera.height, camera.width))


def moving_pair(camera: Camera) -> FrameGeometry:
    """A frame and the one that follows, from where nobody knows: it is no other view of the first one's scene."""
    alone = still_cameras(camera, 2)
    alone.T_world_cam[1] = np.nan
    return alone
