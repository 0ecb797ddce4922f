"""Furniture models of Debian's sweethome3d-furniture: a checked table, fetching, converting, loading."""

from streammtl.data.rooms.furniture.library import FurnitureLibrary

__all__ = ["FurnitureLibrary"]
