"""Commands on finished maps: verify, repair, migrate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.command_line import Json, MapPath, NewMap, print_result

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
    as_json: Json = False,
) -> None:
    """Save all that is good of a damaged map into a new one; the damaged map is left as it is."""
    from pipelines.verify_command import repair as save

    data, text = save(path, out)
    print_result(data, text, as_json)


@app.command(epilog="Example:  streammtl migrate old.zarr --out new.zarr\n\n  streammtl info new.zarr")
def migrate(path: MapPath, out: NewMap, as_json: Json = False) -> None:
    """Write a map of an older layout version anew, as today's software writes it; the old map is left as it is."""
    from mapping.store.migrate import migrate_map

    header = migrate_map(path, out)
    text = f"wrote {out}: layout version {header.version}, {len(header.submaps)} submaps, {header.keyframes} keyframes"
    print_result({"written": str(out), "version": header.version}, text, as_json)
