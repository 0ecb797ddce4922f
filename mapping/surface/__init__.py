"""The surface of a map: submaps merged on one grid, their mesh, and pictures of it."""
