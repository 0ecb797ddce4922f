"""Depth from motion without learning: the baseline that every network has to beat."""

from __future__ import annotations

from streammtl.crossview.photometric_sweep import NUM_PLANES, STRIDE, photometric_sweep
from streammtl.models.predictor import Predictor
from streammtl.models.registry import register_model
from streammtl.views import ScaleStatus, TaskOutputs, ViewBatch


@register_model("planesweep")
class PlaneSweep(Predictor):
    """The photometric sweep alone.

    Depth is in the unit of the poses and lies between the batch's near and far. Confidence estimates the probability
    that depth is within 5 % of the truth; it is 0 where no neighbour sees the point, and everywhere without
    neighbours.
    Exports: not by torch.export: which views are there decides how much is computed. It has no weights to carry along.
    """

    tasks = ("depth",)
    depth_scale = ScaleStatus.UP_TO_SCALE
    needs_neighbours = True
    size_multiple = STRIDE

    def _predict(self, batch: ViewBatch) -> TaskOutputs:
        depth, confidence = photometric_sweep(batch, self.settings.num_planes or NUM_PLANES)
        return TaskOutputs({"depth": depth}, confidence, self.depth_scale)
