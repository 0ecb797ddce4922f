"""NYUv2 for multi-task learning: the 795 and 654 labelled images as InvPT, TaskPrompter and SAK use them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import product
from pathlib import Path

import numpy as np
import torch

from pipelines.data_sets.data_set import DataSet, LabelReaders, Take, still_cameras
from pipelines.data_sets.file_footage import Truth
from pipelines.data_sets.files import read_array, read_colours, read_numbers
from pipelines.data_sets.labels import coded_vectors, depth_truth, normal_truth, shifted_classes
from streammtl.camera import Camera
from streammtl.data.footage import FrameGeometry
from streammtl.errors import DataError
from streammtl.geometry import normals_from_depth, resize_intrinsics

# The Kinect's colour camera (NYU toolbox, pixels counted from 1), less the border of 40 columns and 45 rows that the
# release cuts off; right to about a pixel, since the release does not say exactly where it cuts.
FOCAL, CENTRE, CUT = (518.8579, 519.4696), (325.5824 - 1, 253.7362 - 1), (40, 45)
SIGNS = np.array(list(product((1, -1), repeat=3)), np.float32)
SAMPLES = 16  # images that the signs of stored normals are told by
LEAST_AGREEMENT = 0.4  # mean cosine between stored normals and those of depth
BLOCK = 8  # pixels


class NyuMtl(DataSet):
    """Single images with depth, NYU-40 semantics, normals and boundaries.

    The release does not say which way the axes of stored normals point; the depth of a few images does.
    """

    name = "nyuv2-mtl"
    where = (
        "Get NYUDv2.tar.gz from the links of github.com/prismformore/Multi-Task-Transformer or "
        "github.com/innovator-zero/SAK and give the folder that holds gt_sets/train.txt and val.txt, images/*.png, "
        "segmentation/*.png (0 unlabelled, 1..40), depth/*.npy (metres), normals/*.png and edge/*.png."
    )

    def find(self) -> Iterator[Take]:
        return (Take(stem, (stem,)) for stem in self.listed("gt_sets", f"{self.split}.txt"))

    @property
    def labels(self) -> LabelReaders:
        return {
            "depth": self._depth,
            "semantics": lambda take, stem: shifted_classes(read_numbers(self._file("segmentation", stem))),
            "normals": self._normals,
            "boundaries": self._boundaries,
        }

    def picture(self, take: Take, stem: str) -> Path:
        return self._file("images", stem)

    def cameras(self, take: Take) -> FrameGeometry:
        height, width = self.size(take)
        return still_cameras(Camera.pinhole(width, height, *FOCAL, *np.subtract(CENTRE, CUT)), 1)

    def _file(self, folder: str, stem: str, suffix: str = ".png") -> Path:
        return self.path(folder, stem + suffix)

    def _depth(self, take: Take, stem: str) -> Truth:
        return depth_truth(read_array(self._file("depth", stem, ".npy")).astype(np.float32).squeeze())

    def _boundaries(self, take: Take, stem: str) -> Truth:
        edges = read_numbers(self._file("edge", stem)).astype(np.float32) / 255
        return edges, np.ones(edges.shape, bool)

    def _normals(self, take: Take, stem: str) -> Truth:
        return normal_truth(coded_vectors(read_colours(self._file("normals", stem))) * self._signs)

    @cached_property
    def _signs(self) -> np.ndarray:
        """Signs that take stored normals to OpenCV axes: those that agree best with normals from depth."""
        chosen = self.takes[:: -(-len(self.takes) // SAMPLES)]
        agreement = np.mean([self._agreement(take) for take in chosen], axis=0)
        if agreement.max() < LEAST_AGREEMENT:
            raise DataError(
                f"{self.name}: normals and depth of {self.root} contradict each other, whichever way the normals are "
                f"turned (mean cosine {agreement.max():.2f}). {self.where}"
            )
        return SIGNS[agreement.argmax()]

    def _agreement(self, take: Take) -> np.ndarray:
        """Mean cosine [8] between normals from depth and the stored ones under each of SIGNS.

        Both are averaged over blocks of pixels first: from one pixel to the next a Kinect's depth goes in steps.
        """
        depth, known = self._depth(take, take.frames[0])
        stored, marked = normal_truth(coded_vectors(read_colours(self._file("normals", take.frames[0]))))
        blocks = depth.shape[0] // BLOCK, depth.shape[1] // BLOCK
        whole = _block_means((known & marked).astype(np.float32), blocks) == 1
        coarse = torch.from_numpy(np.where(whole, _block_means(depth, blocks), 1.0)).float()[None, None]
        geometry = self.geometry(take)
        K = resize_intrinsics(torch.from_numpy(geometry.K), (blocks[0] * BLOCK, blocks[1] * BLOCK), blocks)
        derived = normals_from_depth(coarse, K[None])[0].permute(1, 2, 0).numpy()
        products = (_block_means(stored, blocks) * derived)[whole]
        return products.mean(0) @ SIGNS.T if len(products) else np.zeros(len(SIGNS))


def _block_means(values: np.ndarray, blocks: tuple[int, int]) -> np.ndarray:
    """Means [h,w,...] of blocks of pixels of [H,W,...]."""
    cut = values[: blocks[0] * BLOCK, : blocks[1] * BLOCK]
    return cut.reshape(blocks[0], BLOCK, blocks[1], BLOCK, *values.shape[2:]).mean((1, 3))
