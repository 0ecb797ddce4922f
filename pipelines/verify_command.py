"""`streammtl verify` and `streammtl repair`: what is damaged, what is good, and how to save it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mapping.store.place import place_of
from mapping.store.repair import repair_map
from mapping.store.verify import Verification, verify_map
from streammtl.errors import ConfigError, StoreError


def verify(path: Path) -> tuple[dict[str, Any], str, bool]:
    """(data, text, sound) of a look at every byte of the map."""
    found = verify_map(path)
    return found.as_dict(), "\n".join(_lines(found)), found.sound


def repair(path: Path, out: Path | None, break_lock: bool) -> tuple[dict[str, Any], str]:
    """(data, text) of saving what is good of a map into a new one, or of freeing it of the lock of a writer that is
    gone."""
    if break_lock:
        if out is not None:
            raise ConfigError("--break-lock changes the map itself and writes no new one; leave --out away.")
        return _freed(path)
    done = repair_map(path, out)
    if done.out is None:
        return done.as_dict(), f"{path} is sound; nothing was written"
    lines = [*_lines(done.verification)[:-1], *(f"lost: {what}" for what in done.lost)]
    lines.append(f"everything else is in {done.out}; {path} is as it was")
    return done.as_dict(), "\n".join(lines)


def _freed(path: Path) -> tuple[dict[str, Any], str]:
    place = place_of(path)
    if (wrong := place.what_is_wrong()) is not None:
        raise StoreError(f"{wrong}.")
    owner = place.break_lock()
    said = f"{path} has no lock; nothing was done" if owner is None else f"removed the lock of {owner} from {path}"
    return {"map": str(path), "lock_of": owner}, said


def _lines(found: Verification) -> list[str]:
    lines = [f"damaged: {problem}" for problem in found.problems]
    if found.at_spare_root:
        lines.append("the root is read from its spare, as of the same commit or the one before")
    if good := found.good():
        lines.append(
            f"good: {good['submaps']} of {good['submaps_of']} submaps, {good['keyframes']} of {good['keyframes_of']} "
            "keyframes"
        )
    if found.leftovers:
        lines.append(f"left by an unfinished commit, harmless: {', '.join(found.leftovers)}")
    if found.arrays_without_checksum:
        lines.append(
            f"{found.arrays_without_checksum} of {found.arrays} arrays were written without checksums; what reads well "
            "may still be wrong there. `streammtl migrate` adds them"
        )
    remedy = "every chunk was read, nothing is damaged"
    if not found.sound:
        remedy = "`streammtl repair` saves what is good into a new map" if good else "restore zarr.json from a copy"
    return [*lines, remedy]
