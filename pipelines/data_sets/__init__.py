"""Public data sets, each a file that reads its layout as published and registers it for `streammtl train`."""

from pipelines.data_sets import nyuv2_mtl, nyuv2_video, pascal_context, scannet, seven_scenes

__all__ = ["nyuv2_mtl", "nyuv2_video", "pascal_context", "scannet", "seven_scenes"]
