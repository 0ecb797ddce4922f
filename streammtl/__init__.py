"""streammtl: recordings and streams become metric, semantic 3D maps.

This package is the perception half: cameras, views, tasks, models. It imports neither the map nor Ray.
"""

import zlib as _zlib  # noqa: F401  pycolmap's bundled zlib breaks OpenCV's PNG writer unless Python's own is loaded first

__version__ = "0.1.0"
