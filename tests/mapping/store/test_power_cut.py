"""What a durable commit leaves to chance when the power goes: nothing. The system calls are watched, not replaced."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mapping.store import MapWriter, StoreSettings
from mapping.store.litter import named_groups
from tests.mapping.store.tiny_maps import commit_number, header


class Disk:
    """Knows which files and folders were pressed onto the disk since they last changed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pressed: dict[Path, int] = {}  # to the change time that was pressed
        self.at_swap: list[list[Path]] = []  # what was not pressed when a root took effect
        fsync, rename = os.fsync, Path.replace

        def watched_fsync(descriptor: int) -> None:
            path, changed = Path(os.readlink(f"/proc/self/fd/{descriptor}")), os.fstat(descriptor).st_mtime_ns
            fsync(descriptor)
            self.pressed[path] = changed

        def watched_rename(part: Path, whole: Path) -> Path:
            if whole.name == "zarr.json" and whole.parent.name == "map.zarr":
                self.at_swap.append(self.loose(part))
                self.pressed[whole] = self.pressed.pop(part, 0)
            return rename(part, whole)

        monkeypatch.setattr(os, "fsync", watched_fsync)
        monkeypatch.setattr(Path, "replace", watched_rename)

    def loose(self, part: Path) -> list[Path]:
        """Files whose data, and folders whose list of names, may not be on the disk; the part file's own map only."""
        everything = [path for path in part.parent.rglob("*") if not path.is_relative_to(part.parent / "spare")]
        return [path for path in everything if self.pressed.get(path) != path.stat().st_mtime_ns]


def test_everything_is_on_the_disk_before_the_root_names_it(tmp_path, monkeypatch):
    disk = Disk(monkeypatch)
    with MapWriter.create(tmp_path / "map.zarr", header(), StoreSettings(durable=True)) as writer:
        for n in range(1, 7):
            writer.commit(**commit_number(n))
            assert disk.pressed[tmp_path / "map.zarr"]  # and the rename itself
        writer.write_trajectory()
    assert len(disk.at_swap) == 9
    for loose in disk.at_swap[1:]:  # but for the lock, which no map needs, and what earlier commits had deleted from
        names = {str(path.relative_to(tmp_path / "map.zarr")) for path in loose}
        assert names <= {"writer.lock", "submaps", "state", "trajectory", "spare"}


def test_groups_of_a_commit_are_pressed_with_all_they_hold(tmp_path, monkeypatch):
    disk = Disk(monkeypatch)
    with MapWriter.create(tmp_path / "map.zarr", header(), StoreSettings(durable=True)) as writer:
        writer.commit(**commit_number(1))
        for group in named_groups(writer.header):
            folder = tmp_path / "map.zarr" / group
            assert folder in disk.pressed and folder.parent in disk.pressed
            assert [path for path in folder.rglob("*") if path not in disk.pressed] == []


def test_without_durability_nothing_is_pressed(tmp_path, monkeypatch):
    disk = Disk(monkeypatch)
    with MapWriter.create(tmp_path / "map.zarr", header(), StoreSettings(durable=False)) as writer:
        writer.commit(**commit_number(1))
    assert not any(disk.pressed.values())
