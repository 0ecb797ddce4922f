"""Questions to a map, answered from the blocks concerned: samples, views, slices, crops."""

from mapping.query.view import View
from mapping.query.volume import Samples, Volume

__all__ = ["Samples", "View", "Volume"]
