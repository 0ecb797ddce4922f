"""streammtl: recordings and streams become metric, semantic 3D maps.

This package is the perception half: cameras, views, tasks, models. It imports neither the map nor Ray.
"""

import os as _os
import zlib as _zlib  # noqa: F401  pycolmap's bundled zlib breaks OpenCV's PNG writer unless Python's own is loaded first

# Before PyTorch and numba load: threads that wait for work sleep, or stages in several processes starve each other. But
# not at once: a network hands out small pieces, and waking a thread for each takes longer than most of them.
_os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
_os.environ.setdefault("GOMP_SPINCOUNT", "5000")  # turns of the waiting loop: a fraction of a millisecond

__version__ = "0.1.0"
