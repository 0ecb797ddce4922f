"""m2h, m2h-small, m2h-cvm: windowed attention between tasks and global gates, with and without other views."""

from __future__ import annotations

from streammtl.models.cvm import CrossViewPredictor
from streammtl.models.network_settings import M2H, M2H_CVM, M2H_SMALL
from streammtl.models.registry import register_model


@register_model("m2h")
class M2h(CrossViewPredictor):
    """M2H of its paper: DINOv2 ViT-S/14, 256 channels per task, WMCA beside GGFM, heads at half of the image.

    Source: M2H (arXiv 2510.17363). Any encoder is one setting away: `model.encoder=tf_efficientnet_lite0`.
    """

    network_settings = M2H


@register_model("m2h-small")
class M2hSmall(CrossViewPredictor):
    """M2H with 64 channels and depth-wise convolutions, as its paper describes M2H-small; the window is the same."""

    network_settings = M2H_SMALL


@register_model("m2h-cvm")
class M2hCvm(CrossViewPredictor):
    """M2H-small on cvm-lite's encoder and cross-view module: what neighbours say enters before WMCA, and depth is read
    from the planes."""

    network_settings = M2H_CVM
