"""Public data sets, each a file that reads its layout as published and registers it for `streammtl train`."""

from pipelines.data_sets import (
    cityscapes,
    diode,
    flyingthings3d,
    hypersim,
    kitti_flow,
    mid_intrinsics,
    nyuv2_mtl,
    nyuv2_video,
    pascal_context,
    scannet,
    seven_scenes,
    virtual_kitti,
)

__all__ = [
    "cityscapes",
    "diode",
    "flyingthings3d",
    "hypersim",
    "kitti_flow",
    "mid_intrinsics",
    "nyuv2_mtl",
    "nyuv2_video",
    "pascal_context",
    "scannet",
    "seven_scenes",
    "virtual_kitti",
]
