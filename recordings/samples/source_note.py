"""Text of the recording's SOURCE.md."""

from __future__ import annotations

import csv
from pathlib import Path

NOTE = """# room

A walk through a furnished living room, rendered for this repository, with exact ground truth. 10 s, 300 frames at 30
per second, 640 x 480. It is a picture of a made-up room: no camera, no real place.

## Files
* `video.mp4`: H.264, 4:2:0; frame i shows time i / 30 s (the middle of its exposure).
* `poses.txt`: one line per frame, `timestamp tx ty tz qx qy qz qw` (TUM), camera to world, OpenCV camera axes (x right,
  y down, z forward), metres. World: x east, y north, z up (gravity along -z), origin in the south-west corner of
  the floor.
* `intrinsics.json`: pinhole, no distortion, pixel centres at integer coordinates.
* `depth/%06d.png`: u16, millimetres along the optical axis, through the pixel centre; named by video frame index.
* `labels/%06d.png`: u8, NYU-40 ids (0 = none), same frames.
* `mesh.ply`: the room's surfaces, furniture simplified by at most 4 mm, NYU-40 id per vertex (`label`). World as above.

## How it was made
    dpkg -x sweethome3d-furniture_1.8-1_all.deb FOLDER
    python recordings/samples/make_room.py --furniture FOLDER --out recordings/samples/room

* Room shell, window, door, curtains, bookshelf, books, pictures, rug, cushions and all their textures are made by the
  script.
* Light: sky through two windows (the second is behind the camera) and light passed on between surfaces, both baked
  once; sun with a shadow ray per sample; weak mirror reflections on the floor and on polished things.
* Camera: a spline walk of about 4 m with steps and a trembling hand; 6 samples per pixel spread over the pixel and
  over an exposure of 1/80 s (motion blur), vignetting, noise, one exposure for all frames.
* Glass is left out: the cabinet's doors are open frames, the window panes are opaque bright sheets with depth and
  label.

## Furniture models
From Debian's package sweethome3d-furniture 1.8-1, library BlendSwap-CC-0. All are under CC0-1.0 (no attribution
required; it is given all the same). Each was stretched to its catalogue size; plain colours got a procedural finish.

| model | class (NYU-40) | author | source |
|---|---|---|---|
"""


def source_note(table: Path) -> str:
    """The whole text; `table` is the table of used models."""
    lines = []
    with table.open(newline="") as stream:
        for row in csv.DictReader(stream):
            source = ", ".join(part for part in (row["source_title"].strip(), row["source_url"]) if part)
            author = (
                row["author"]
                if row["source_author"] in ("", row["author"])
                else f"{row['author']} ({row['source_author']})"
            )
            folder = row["obj_path"].lstrip("/")
            lines.append(
                f"| {row['name']} (`{folder}`) | {row['nyu40_id']} {row['nyu40_name']} | {author} | {source} |\n"
            )
    return NOTE + "".join(lines)
