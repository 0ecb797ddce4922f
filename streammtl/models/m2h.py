"""m2h, m2h-small, m2h-lite, m2h-cvm: windowed attention between tasks and global gates, with other views or without."""

from __future__ import annotations

from streammtl.models.cvm import CrossViewPredictor
from streammtl.models.network_settings import M2H, M2H_CVM, M2H_LITE, M2H_SMALL
from streammtl.models.registry import register_model


@register_model("m2h")
class M2h(CrossViewPredictor):
    """M2H of its paper: DINOv2 ViT-S/14, 256 channels per task, WMCA beside GGFM, heads at half of the image.

    Any encoder is one setting away: `model.encoder=tf_efficientnet_lite0`.
    63.4 M parameters and 168 GFLOP at 224 x 224, a product and a sum being two; Table IV has 81 M and 488. The maps of
    the published code have 5.2 times the pixels of the paper's H' = 4H/16; on those this network would take about 826
    GFLOP. The parameters of WMCA and GGFM that Table VI implies (43 M and 26 M) are not those of Eq. 6 to 14 at 256
    channels (1.6 M and 0.5 M), so that the difference cannot be placed.
    Source: M2H (arXiv 2510.17363).
    """

    network_settings = M2H


@register_model("m2h-small")
class M2hSmall(CrossViewPredictor):
    """M2H with 64 channels and depth-wise convolutions, as its paper describes M2H-small; the window is the same.

    22.8 M parameters, 22.1 M of them the encoder's, and 17.3 GFLOP at 224 x 224. Table IV has 33.7 M and 59: its
    published code has 96 channels and maps of 128 x 128, and how it was distilled is not said.
    """

    network_settings = M2H_SMALL


@register_model("m2h-lite")
class M2hLite(CrossViewPredictor):
    """M2H-small on the encoder of cvm-lite, with the mixer of m2h-cvm: one view, refined by neighbours' patches."""

    network_settings = M2H_LITE
    sweeps = True


@register_model("m2h-cvm")
class M2hCvm(CrossViewPredictor):
    """M2H-small on cvm-lite's encoder and cross-view module: what neighbours say enters before WMCA, and depth is read
    from the planes."""

    network_settings = M2H_CVM
