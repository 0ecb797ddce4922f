"""Random changes of training batches that keep the geometry of their views true.

Source: cross-view MTL (arXiv 2511.20646) trains with the single-view recipe: scale, crop, flip, colour. Departure: that
recipe divides depth by the scale, which contradicts K and the poses; here the camera changes and depth stays.
"""

from streammtl.augmentation.crop import crop_views
from streammtl.augmentation.flip import flip_views
from streammtl.augmentation.photometric import jitter_views
from streammtl.augmentation.random_views import AugmentationSettings, augment_views
from streammtl.augmentation.scale import scale_views

__all__ = ["AugmentationSettings", "augment_views", "crop_views", "flip_views", "jitter_views", "scale_views"]
