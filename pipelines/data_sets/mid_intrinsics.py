"""MID-Intrinsics: rooms photographed under many lights, with albedo estimated from all of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipelines.data_sets.data_set import DataSet, LabelReaders, Take
from pipelines.data_sets.file_footage import Truth
from pipelines.data_sets.files import read_exr
from pipelines.data_sets.intrinsic_images import brightness, tone_mapped, tone_scale

LEAST_ALBEDO = 1 / 255


class MidIntrinsics(DataSet):
    """Single images with albedo and shading."""

    name = "mid-intrinsics"
    splits = ("train", "test")
    where = (
        "Get multi_illumination_test_mip2_exr.zip from projects.csail.mit.edu/illumination and midi_test_albedo.zip "
        "from huggingface.co/anhquancao/StableMTL, unpack both in one place and give the folder that holds test/SCENE/ "
        "with dir_0_mip2.exr, dir_1_mip2.exr, ... and albedo.exr."
    )

    def find(self) -> Iterator[Take]:
        for path in sorted(self.path(self.split).glob("*/dir_*_mip2.exr")):
            stem = f"{path.parent.name}/{path.name}"
            yield Take(stem, (stem,))

    @property
    def labels(self) -> LabelReaders:
        return {"albedo": self._albedo, "shading": self._shading}

    def image(self, take: Take, stem: str) -> np.ndarray:
        linear = self._linear(stem)
        return np.rint(tone_mapped(linear, np.ones(linear.shape[:2], bool)) * 255).astype(np.uint8)

    def size(self, take: Take) -> tuple[int, int]:
        return self._linear(take.frames[0]).shape[:2]

    def _albedo(self, take: Take, stem: str) -> Truth:
        albedo = read_exr(self.path(self.split, stem.split("/")[0], "albedo.exr"))
        return np.clip(albedo, 0, 1), np.isfinite(albedo).all(-1) & (albedo.max(-1) > LEAST_ALBEDO)

    def _shading(self, take: Take, stem: str) -> Truth:
        albedo, known = self._albedo(take, stem)
        linear = self._linear(stem)
        scaled = np.clip(tone_scale(linear, np.ones(linear.shape[:2], bool)) * linear, 0, 1)
        return brightness(np.clip(scaled / np.maximum(albedo, LEAST_ALBEDO), 0, 1)), known

    def _linear(self, stem: str) -> np.ndarray:
        return read_exr(self.path(self.split, stem))
