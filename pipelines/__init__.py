"""Verbs for users: map, live, evaluate, export; the stages and what runs them."""

import streammtl as _streammtl  # noqa: F401  settles what must be settled before native libraries load
