"""One writer at a time: a lock file that the kernel frees when its owner dies."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
import weakref
from pathlib import Path

from streammtl.errors import StoreError

LOCK = "writer.lock"


class WriterLock:
    """Holds `<map>/writer.lock` with the owner's host and pid inside.

    The kernel's file lock decides, so the lock of a killed process on this host is free at once. A file left by another
    host is respected, since its kernel cannot be asked.
    Raises: StoreError naming the owner when the map is being written.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK
        self._descriptor: int | None = None
        while self._descriptor is None:
            self._descriptor = self._try_to_lock()
        _HELD.add(self)
        owner = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "since": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, json.dumps(owner).encode(), 0)
        except OSError:
            self.release()
            raise

    def _try_to_lock(self) -> int | None:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = _owner(descriptor)
            os.close(descriptor)
            raise StoreError(being_written(self._path.parent, owner)) from None
        if not _same_file(descriptor, self._path):  # its owner removed it between our open and our lock
            os.close(descriptor)
            return None
        owner = _owner(descriptor)
        if owner.get("host", socket.gethostname()) != socket.gethostname():
            os.close(descriptor)
            raise StoreError(locked_elsewhere(self._path.parent, owner))
        return descriptor

    def forget(self) -> None:
        """Lets go without freeing: for a forked child, which must not keep the lock alive after its parent."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def release(self) -> None:
        """Frees the lock; a second call does nothing."""
        if self._descriptor is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None


def break_lock(folder: Path) -> str | None:
    """Removes the lock that a writer left. Gives that writer in words, or None where there is no lock.

    Raises: StoreError where its owner is at work, as far as the kernel of this host can tell.
    """
    try:
        descriptor = os.open(folder / LOCK, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        owner = _owner(descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (folder / LOCK).unlink(missing_ok=True)
        return who(owner)
    except BlockingIOError:
        raise StoreError(being_written(folder, owner)) from None
    finally:
        os.close(descriptor)


def who(owner: dict[str, object]) -> str:
    """The writer that a lock names."""
    return f"process {owner.get('pid', 'unknown')} on host {owner.get('host', 'unknown')}"


def being_written(place: object, owner: dict[str, object]) -> str:
    """What a second writer is told of a first that is alive."""
    return (
        f"the map {place} is being written by {who(owner)}; a map has one writer. Wait for it to end, or choose "
        "another --out."
    )


def locked_elsewhere(place: object, owner: dict[str, object]) -> str:
    """What a writer is told of the lock of another host, whose processes cannot be asked."""
    return (
        f"the map {place} is being written by {who(owner)}, or was when that host went down; a map has one writer. "
        f"Wait for it to end. If it is gone for good, `streammtl repair {place} --break-lock` removes its lock."
    )


_HELD: weakref.WeakSet[WriterLock] = weakref.WeakSet()


def _forget_in_child() -> None:
    for lock in list(_HELD):
        lock.forget()


os.register_at_fork(after_in_child=_forget_in_child)


def _owner(descriptor: int) -> dict[str, object]:
    try:
        owner = json.loads(os.pread(descriptor, 4096, 0))
    except ValueError:  # empty or half written: its owner was killed at once
        return {}
    return owner if isinstance(owner, dict) else {}


def _same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
