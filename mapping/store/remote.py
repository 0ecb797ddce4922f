"""A map in an object store (s3://, gs://, az://), through obstore, which is optional.

Credentials and endpoints come from where obstore finds them: AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL and so on.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from zarr.abc.store import Store
from zarr.storage import ObjectStore

from mapping.store.damage import first_line
from mapping.store.lock import LOCK, being_written, locked_elsewhere, who
from mapping.store.place import Place
from streammtl.errors import StoreError

try:
    import obstore
    from obstore.exceptions import AlreadyExistsError, BaseError
    from obstore.store import from_url
except ImportError:  # the extra `remote` is not installed
    obstore = None

_FEW = 3
_SCHEMES = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss")


class ObjectPlace(Place):
    """A map below one prefix of a bucket. An object is replaced by one PUT, which readers see whole or not yet."""

    def __init__(self, url: str) -> None:
        scheme = url.partition(":")[0]
        if scheme not in _SCHEMES:
            raise StoreError(f"{url} is not a place for a map; give a folder or a URL of {', '.join(_SCHEMES)}.")
        if obstore is None:
            raise StoreError(f"{url} lies in an object store, which needs obstore: pip install 'streammtl[remote]'.")
        self._url = url.rstrip("/")
        self.path = Path(self._url)
        self.errors = (BaseError,)
        try:
            self._objects = from_url(self._url)
        except (BaseError, ValueError) as error:
            raise StoreError(f"{url} cannot be reached: {first_line(error)}. Check the URL.") from None

    def __str__(self) -> str:
        return self._url

    def _store(self, read_only: bool) -> Store:
        return ObjectStore(self._objects, read_only=read_only)

    def what_is_wrong(self) -> str | None:
        return None

    def read(self, name: str) -> bytes:
        return bytes(obstore.get(self._objects, name).bytes())

    def replace(self, name: str, data: bytes, durable: bool = False) -> None:
        obstore.put(self._objects, name, data)

    def missing(self, names: Iterable[str], under: str) -> Iterator[str]:
        """Few names are asked for one by one; for many one listing does."""
        names = list(names)
        if len(names) <= _FEW:
            return (name for name in names if not self._has(name))
        there = self.files(under)
        return (name for name in names if name not in there)

    def _has(self, name: str) -> bool:
        try:
            obstore.head(self._objects, name)
        except FileNotFoundError:
            return False
        return True

    def files(self, under: str = "") -> dict[str, int]:
        listed = obstore.list(self._objects, prefix=under or None)
        return {entry["path"]: entry["size"] for page in listed for entry in page}

    def children(self, under: str = "") -> list[str]:
        listed = obstore.list_with_delimiter(self._objects, under or None)
        names = [*listed["common_prefixes"], *(entry["path"] for entry in listed["objects"])]
        return sorted(name.rpartition("/")[2] for name in names)

    def remove(self, names: Iterable[str]) -> None:
        doomed = [found for name in names for found in (*self.files(name), name)]
        try:
            obstore.delete(self._objects, doomed)
        except FileNotFoundError:
            return

    def prepare(self, durable: bool) -> None:
        return

    def press(self, names: Iterable[str], folders: Iterable[str] = ()) -> None:
        return  # a PUT that returned is stored

    def lock(self) -> ObjectLock:
        return ObjectLock(self, self._objects)

    def break_lock(self) -> str | None:
        try:
            owner, _ = _owner(self._objects)
        except FileNotFoundError:
            return None
        if _is_alive(owner):
            raise StoreError(being_written(self, owner))
        obstore.delete(self._objects, LOCK)
        return who(owner)


class ObjectLock:
    """An object that only one writer can create. It outlives a killed writer; on its own host that is found out.

    Raises: StoreError naming the owner.
    """

    def __init__(self, place: ObjectPlace, store: Any) -> None:
        self._store = store
        pid = os.getpid()
        owner = {"host": socket.gethostname(), "pid": pid, "started": _started(pid), "since": time.time()}
        self._owner = json.dumps(owner).encode()
        try:
            obstore.put(store, LOCK, self._owner, mode="create")
        except AlreadyExistsError:
            self._take_over(place)

    def release(self) -> None:
        """Frees the lock where it is still ours; a second call does nothing."""
        try:
            if bytes(obstore.get(self._store, LOCK).bytes()) == self._owner:
                obstore.delete(self._store, LOCK)
        except FileNotFoundError:
            return

    def _take_over(self, place: ObjectPlace) -> None:
        owner, e_tag = _owner(self._store)
        if owner.get("host") != socket.gethostname():
            raise StoreError(locked_elsewhere(place, owner))
        if _is_alive(owner):
            raise StoreError(being_written(place, owner))
        obstore.put(self._store, LOCK, self._owner, mode={"e_tag": e_tag})  # fails where another was faster


def _owner(store: Any) -> tuple[dict[str, object], str]:
    """Who the lock names, and the version of its object. Raises: FileNotFoundError where there is no lock."""
    held = obstore.get(store, LOCK)
    try:
        return dict(json.loads(bytes(held.bytes()))), held.meta["e_tag"]
    except (ValueError, TypeError):
        return {}, held.meta["e_tag"]


def _is_alive(owner: dict[str, object]) -> bool:
    """Whether a process of this very host owns the lock and still runs."""
    started = _started(owner.get("pid"))
    return owner.get("host") == socket.gethostname() and started is not None and owner.get("started") == started


def _started(pid: object) -> str | None:
    """When a process of this host began, in ticks since boot; None when there is none. Process ids are used again."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return None
