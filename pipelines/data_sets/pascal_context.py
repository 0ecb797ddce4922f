"""PASCAL-Context for multi-task learning: 4,998 and 5,105 images as ASTMT published and InvPT and SAK use them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from pipelines.data_sets.data_set import DataSet, LabelReaders, Take
from pipelines.data_sets.file_footage import Truth
from pipelines.data_sets.files import read_colours, read_json, read_mat, read_numbers
from pipelines.data_sets.labels import coded_vectors, normal_truth
from streammtl.errors import DataError
from streammtl.tasks.spec import IGNORE

PERSON = 15  # class of a person among the objects of PASCAL-Part
# Parts as PASCAL-Part names them, to head 1, torso 2, upper arm 3, lower arm 4, upper leg 5, lower leg 6.
PARTS = {
    **dict.fromkeys(("hair", "head", "lear", "lebrow", "leye", "mouth", "nose", "rear", "rebrow", "reye"), 1),
    **dict.fromkeys(("neck", "torso"), 2),
    **dict.fromkeys(("luarm", "ruarm"), 3),
    **dict.fromkeys(("lhand", "llarm", "rhand", "rlarm"), 4),
    **dict.fromkeys(("luleg", "ruleg"), 5),
    **dict.fromkeys(("lfoot", "llleg", "rfoot", "rlleg"), 6),
}
# Normals were distilled from a network trained on NYUv2 normals, which count x to the left, y up and z to the viewer.
STORED_AXES = np.array([-1, -1, -1], np.float32)


class PascalContext(DataSet):
    """Single images with semantics, human parts, saliency, normals and boundaries; no depth."""

    name = "pascal-context"
    where = (
        "Get PASCALContext.tar.gz (PASCAL_MT) from the links of github.com/prismformore/Multi-Task-Transformer or "
        "github.com/innovator-zero/SAK and give the folder that holds ImageSets/Context/train.txt and val.txt, "
        "JPEGImages/*.jpg, semseg/VOC12/*.png or semseg/pascal-context/*.png, human_parts/*.mat, sal_distill/*.png, "
        "normals_distill/*.png, pascal-context/trainval/*.mat, json/nyu_classes.json and json/context_classes.json."
    )

    def find(self) -> Iterator[Take]:
        return (Take(stem, (stem,)) for stem in self.listed("ImageSets", "Context", f"{self.split}.txt"))

    @property
    def labels(self) -> LabelReaders:
        return {
            "pascal_semantics": self._semantics,
            "human_parts": self._human_parts,
            "saliency": self._saliency,
            "normals": self._normals,
            "boundaries": self._boundaries,
        }

    def picture(self, take: Take, stem: str) -> Path:
        return self.path("JPEGImages", f"{stem}.jpg")

    def _semantics(self, take: Take, stem: str) -> Truth:
        marked = self.inside("semseg", "VOC12", f"{stem}.png")
        if not marked.is_file():
            marked = self.path("semseg", "pascal-context", f"{stem}.png")
        classes = read_numbers(marked).astype(np.int64)
        return classes, classes < IGNORE

    def _human_parts(self, take: Take, stem: str) -> Truth:
        """Not valid anywhere in an image where no person has parts, as the metric wants it."""
        path = self.path("human_parts", f"{stem}.mat")
        objects = read_mat(path, "anno")[0][0][1][0]  # class name, class, mask, parts
        parts = np.zeros(objects[0][2].shape, np.int64)
        people = [thing for thing in objects if int(np.squeeze(thing[1])) == PERSON and len(thing[3])]
        for person in people:
            for part in person[3][0]:  # name, mask
                name = str(part[0][0])
                if name not in PARTS:
                    raise DataError(f"{path} has a human part {name!r}; known are {', '.join(PARTS)}.")
                parts[part[1].astype(bool)] = PARTS[name]
        return parts, np.full(parts.shape, bool(people))

    def _saliency(self, take: Take, stem: str) -> Truth:
        salient = (read_numbers(self.path("sal_distill", f"{stem}.png")) > 127).astype(np.float32)
        return salient, np.ones(salient.shape, bool)

    def _normals(self, take: Take, stem: str) -> Truth:
        """Valid on classes that NYUv2 has too: nothing else was ever learnt."""
        vectors, known = normal_truth(
            coded_vectors(read_colours(self.path("normals_distill", f"{stem}.png"))) * STORED_AXES
        )
        return vectors, known & np.isin(self._context(stem), self._indoor_classes)

    def _boundaries(self, take: Take, stem: str) -> Truth:
        from mapping.evaluation.thinning import thinned

        edges = thinned(cv2.Laplacian(self._context(stem).astype(np.float64), cv2.CV_64F) != 0)
        return edges.astype(np.float32), np.ones(edges.shape, bool)

    def _context(self, stem: str) -> np.ndarray:
        """Ids [H,W] of the 459 classes of PASCAL-Context."""
        return read_mat(self.path("pascal-context", "trainval", f"{stem}.mat"), "LabelMap").astype(np.int64)

    @cached_property
    def _indoor_classes(self) -> list[int]:
        indoor = read_json(self.path("json", "nyu_classes.json"))
        context = read_json(self.path("json", "context_classes.json"))
        return [context[name] for name in (*indoor, "tvmonitor") if name in context and name != "unknown"]
