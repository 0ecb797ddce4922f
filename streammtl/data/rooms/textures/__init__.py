"""Procedural textures: seeded, seamless, at most 256 pixels wide."""
