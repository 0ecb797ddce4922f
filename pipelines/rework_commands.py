"""`streammtl merge`, `crop`, `refuse`, `rescale` and `diff`: from what is typed to what is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mapping.difference import difference
from mapping.store.crop_map import crop_map
from mapping.store.merge_maps import merge_maps
from mapping.store.reader import open_map
from mapping.store.refuse_map import refuse_map
from mapping.store.rescale_map import rescale_map
from pipelines.settings import load_settings, settings_from
from streammtl.errors import ConfigError


def merge(a: Path, b: Path, out: Path, transform: Path | None) -> tuple[dict[str, Any], str]:
    """(data, text) of two maps put into one."""
    merged = merge_maps(a, b, out, None if transform is None else _matrix(transform))
    data = {"written": str(out), **merged.as_dict()}
    parts = data["components"]
    lines = [
        f"wrote {out}: {data['submaps']} submaps in {parts} unconnected part{'s' if parts != 1 else ''}, "
        f"{data['keyframes']} keyframes; frames of {b} count from {data['first_frame_of_b']}"
    ]
    if merged.keyframes_left_out:
        lines.append(
            f"{merged.keyframes_left_out} keyframes of {b} were left out: their depth has another size, and a map "
            "holds one. Its voxels and poses are all there"
        )
    return data, "\n".join(lines)


def crop(path: Path, box: str, out: Path) -> tuple[dict[str, Any], str]:
    """(data, text) of a map cut to a box."""
    try:
        corners = np.array([float(number) for number in box.split(",")]).reshape(2, 3)
    except ValueError:
        raise ConfigError(f"--box {box!r} is not six numbers; give x,y,z of the low and of the high corner.") from None
    header = crop_map(path, out, *corners)
    blocks = sum(entry.blocks for entry in header.submaps)
    data = {"written": str(out), "submaps": len(header.submaps), "blocks": blocks, "keyframes": header.keyframes}
    return data, f"wrote {out}: {len(header.submaps)} submaps, {blocks} blocks, {header.keyframes} keyframes"


def refuse(path: Path, out: Path, overrides: list[str]) -> tuple[dict[str, Any], str]:
    """(data, text) of a map fused again from its keyframes, with the settings it was made with but for `overrides`."""
    others = [text for text in overrides if not text.startswith("fusion.")]
    if others:
        raise ConfigError(f"--set {others[0]} has no part in this; only fusion.NAME=VALUE can be set anew.")
    before = settings_from(open_map(path).header.config).fusion.model_dump()
    if any(text.startswith("fusion.voxel_size_m=") for text in overrides):
        del before["truncation_m"]  # follows the voxels unless it is given
    kept = [f"fusion.{name}={value}" for name, value in before.items()]
    header = refuse_map(path, out, load_settings(None, [*kept, *overrides]).fusion)
    blocks = sum(entry.blocks for entry in header.submaps)
    data = {"written": str(out), "submaps": len(header.submaps), "blocks": blocks, "keyframes": header.keyframes}
    text = f"wrote {out}: {len(header.submaps)} submaps, {blocks} blocks of {1e3 * header.voxel_size_m:g} mm voxels"
    return data, f"{text}, from {header.keyframes} keyframes"


def rescale(path: Path, out: Path, factor: float | None) -> tuple[dict[str, Any], str]:
    """(data, text) of a map with all lengths multiplied."""
    before = open_map(path).header.voxel_size_m
    header = rescale_map(path, out, factor)
    data = {
        "written": str(out),
        "factor": header.voxel_size_m / before,
        "voxel_size_m": header.voxel_size_m,
        "scale": header.scale.model_dump(mode="json"),
    }
    text = f"wrote {out}: lengths times {data['factor']:.4g}, voxels of {1e3 * header.voxel_size_m:.4g} mm"
    return data, f"{text}; {header.scale.method}"


def diff(a: Path, b: Path, transform: Path | None) -> tuple[dict[str, Any], str]:
    """(data, text) of what changed from a to b."""
    changes = difference(a, b, None if transform is None else _matrix(transform))
    area = changes.area_m2
    lines = []
    for region in changes.regions:
        x, y, z = region.centre
        moved = "" if region.moved_by_m is None else f", by {np.linalg.norm(region.moved_by_m):.2f} m"
        label = f"{region.label} " if region.label else ""
        lines.append(f"{region.kind}: {label}{region.area_m2:.3f} m2 at {x:.2f} {y:.2f} {z:.2f}{moved}")
    lines.append(
        f"of the surface of {a}: {area['a_unchanged']:.2f} m2 unchanged, {area['a_changed']:.2f} changed, "
        f"{area['a_not_seen_by_the_other']:.2f} not seen in {b}"
    )
    return changes.as_dict(), "\n".join(lines)


def _matrix(path: Path) -> np.ndarray:
    try:
        T = np.loadtxt(path, dtype=np.float64)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"--transform {path} cannot be read: {error}. Give a text file of 4 rows of 4 numbers."
        ) from None
    if T.shape != (4, 4):
        raise ConfigError(f"--transform {path} holds numbers of shape {T.shape}, expected 4 rows of 4.")
    return T
