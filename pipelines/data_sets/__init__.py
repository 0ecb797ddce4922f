"""Public data sets, each a file that reads its layout as published and registers it for `streammtl train`."""

from pipelines.data_sets import nyuv2_mtl

__all__ = ["nyuv2_mtl"]
