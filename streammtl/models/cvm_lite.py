"""cvm-lite: the cross-view multi-task network on EfficientNet-Lite0."""

from __future__ import annotations

from streammtl.models.cvm import CrossViewPredictor
from streammtl.models.network_settings import LITE
from streammtl.models.registry import register_model


@register_model("cvm-lite")
class CvmLite(CrossViewPredictor):
    """The network at a size for a CPU: one to three views, 5.1 M parameters, 64 planes at 1/4, a top-down decoder."""

    network_settings = LITE
