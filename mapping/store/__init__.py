"""The map on disk: one Zarr v3 group whose root attributes name everything that counts.

A commit writes new groups or appends whole chunks, then replaces the root's zarr.json by one rename. What the root does
not name does not exist. Zarr is imported in this folder only.
"""

from mapping.store.header import LabelSpaceRecord, MapHeader, Progress, Provenance, ScaleRecord
from mapping.store.reader import MapReader, is_map, open_map
from mapping.store.settings import StoreSettings
from mapping.store.trajectory import MapTrajectory
from mapping.store.validate import validate_map
from mapping.store.writer import MapWriter

__all__ = [
    "LabelSpaceRecord",
    "MapHeader",
    "MapReader",
    "MapTrajectory",
    "MapWriter",
    "Progress",
    "Provenance",
    "ScaleRecord",
    "StoreSettings",
    "is_map",
    "open_map",
    "validate_map",
]
