"""What the commands share: arguments that look alike everywhere, and how results are printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
MapPath = Annotated[Path, typer.Argument(metavar="MAP.zarr", help="A map written by streammtl: a folder, or s3://...")]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="a.b=c", help="One setting; see `streammtl config`. Repeatable.")
]
NewMap = Annotated[Path, typer.Option("--out", metavar="NEW.zarr", help="Where to write the new map.")]


def print_result(as_data: Any, as_text: str, as_json: bool) -> None:
    """Prints a result for people or, as one JSON object, for programs."""
    print(json.dumps(as_data, indent=2, default=str) if as_json else as_text)
