"""Metrics pooled over a set of images, by name.

Every metric takes update(prediction [N,C,H,W], target [N,Ct,H,W], valid bool [N,1,H,W]) any number of times and gives
result() -> {figure: number}. Predictions are values after the task's activation. How a set is cut into batches does not
change a result. Boundaries are judged by `ods_f` in mapping.evaluation.boundaries, which needs SciPy.
"""

from streammtl.metrics import depth, endpoint, intrinsic, mean_iou, normals, saliency  # noqa: F401  they register metrics
from streammtl.metrics.delta import delta_m
from streammtl.metrics.multi_task import MultiTaskMetrics
from streammtl.metrics.registry import Metric, MetricKind, build_metric, register_metric

__all__ = ["Metric", "MetricKind", "MultiTaskMetrics", "build_metric", "delta_m", "register_metric"]
