"""One file per kind of room: what stands in it and where people put it."""
