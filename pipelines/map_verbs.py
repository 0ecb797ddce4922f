"""Commands on finished maps: verify, repair, migrate, merge, crop, refuse, rescale, diff."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.command_line import Json, MapPath, NewMap, Set, print_result

app = typer.Typer(rich_markup_mode=None)


@app.command(epilog="Example:  streammtl verify walk.zarr\n\n  streammtl verify walk.zarr --json")
def verify(path: MapPath, as_json: Json = False) -> None:
    """Read every byte of a map and say what is damaged and what is good; exit 1 when anything is damaged."""
    from pipelines.verify_command import verify as look

    data, text, sound = look(path)
    print_result(data, text, as_json)
    if not sound:
        raise typer.Exit(1)


@app.command(epilog="Example:  streammtl repair walk.zarr\n\n  streammtl repair walk.zarr --out saved.zarr")
def repair(
    path: MapPath,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="NEW.zarr", help="The new map; MAP.repaired.zarr when left out.")
    ] = None,
    break_lock: Annotated[
        bool, typer.Option("--break-lock", help="Only remove the lock of a writer whose host is gone for good.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Save all that is good of a damaged map into a new one; the damaged map is left as it is."""
    from pipelines.verify_command import repair as save

    data, text = save(path, out, break_lock)
    print_result(data, text, as_json)


@app.command(epilog="Example:  streammtl migrate old.zarr --out new.zarr\n\n  streammtl info new.zarr")
def migrate(path: MapPath, out: NewMap, as_json: Json = False) -> None:
    """Write a map of an older layout version anew, as today's software writes it; the old map is left as it is."""
    from mapping.store.migrate import migrate_map

    header = migrate_map(path, out)
    text = f"wrote {out}: layout version {header.version}, {len(header.submaps)} submaps, {header.keyframes} keyframes"
    print_result({"written": str(out), "version": header.version}, text, as_json)


Transform = Annotated[
    Path | None,
    typer.Option("--transform", metavar="T.txt", help="4x4 matrix, metres, that takes points of B's world to A's."),
]


@app.command(epilog="Example:  streammtl merge day1.zarr day2.zarr --out both.zarr --transform day1_from_day2.txt")
def merge(
    a: MapPath,
    b: Annotated[Path, typer.Argument(metavar="B.zarr", help="The map that comes second.")],
    out: NewMap,
    transform: Transform = None,
    as_json: Json = False,
) -> None:
    """Put two maps into one: joined by a transform, else side by side as unconnected parts."""
    from pipelines.rework_commands import merge as put_together

    data, text = put_together(a, b, out, transform)
    print_result(data, text, as_json)


@app.command(epilog="Example:  streammtl crop walk.zarr --box=-1,-2,0,3,1,5 --out desk.zarr")
def crop(
    path: MapPath,
    box: Annotated[str, typer.Option("--box", metavar="X,Y,Z,X,Y,Z", help="Low and high corner, world, metres.")],
    out: NewMap,
    as_json: Json = False,
) -> None:
    """Write the part of a map inside a box as a map of its own."""
    from pipelines.rework_commands import crop as cut

    data, text = cut(path, box, out)
    print_result(data, text, as_json)


@app.command(epilog="Example:  streammtl refuse walk.zarr --set fusion.voxel_size_m=0.01 --out fine.zarr")
def refuse(path: MapPath, out: NewMap, overrides: Set = None, as_json: Json = False) -> None:
    """Fuse a map again from its keyframes, with other fusion settings; poses stay as they are."""
    from pipelines.rework_commands import refuse as fuse_again

    data, text = fuse_again(path, out, overrides or [])
    print_result(data, text, as_json)


@app.command(epilog="Example:  streammtl rescale walk.zarr --factor 1.08 --out right.zarr")
def rescale(
    path: MapPath,
    out: NewMap,
    factor: Annotated[
        float | None,
        typer.Option(
            "--factor",
            metavar="F",
            help="A true length over the map's; when left out, what all keyframes together told of the scale.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Multiply all lengths of a map: by a length that you measured, or by what the whole recording told."""
    from pipelines.rework_commands import rescale as stretch

    data, text = stretch(path, out, factor)
    print_result(data, text, as_json)


@app.command(epilog="Example:  streammtl diff monday.zarr friday.zarr --json > changes.json")
def diff(
    a: MapPath,
    b: Annotated[Path, typer.Argument(metavar="B.zarr", help="The later map.")],
    transform: Transform = None,
    as_json: Json = False,
) -> None:
    """Say what changed from map A to map B: surface that appeared, disappeared or moved, region by region."""
    from pipelines.rework_commands import diff as compare

    data, text = compare(a, b, transform)
    print_result(data, text, as_json)
