"""Tasks: what models predict and how the map uses it."""
