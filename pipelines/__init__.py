"""Verbs for users: map, live, evaluate, export; the stages and what runs them."""

import os as _os

# Before PyTorch and numba load: threads that wait for work sleep, or stages in several processes starve each other.
_os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
