"""Where a map lies. Every file of a map is reached through here, by its name relative to the map."""

from __future__ import annotations

import os
import re
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from pathlib import Path
from typing import Protocol

from zarr.abc.store import ByteRequest, Store
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import LocalStore, WrapperStore

from mapping.store.lock import WriterLock, break_lock

ROOT = "zarr.json"
SPARE_GROUP = "spare"  # the same root again, as a group that plain Zarr reads too, for the day the first is damaged
SPARE = f"{SPARE_GROUP}/{ROOT}"
_SYNC_THREADS = 16
_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]+):/{1,2}(?P<rest>[^/].*)")


class Lock(Protocol):
    def release(self) -> None: ...


class Place(ABC):
    """A folder or a prefix of an object store that holds one map, or may come to hold one.

    Methods raise OSError or one of `errors`; FileNotFoundError for what is not there.
    """

    root = ROOT  # the file that names everything; its spare once `at_spare_root`
    path: Path  # for people and for `open_map`; a URL with its two slashes folded into one where it is remote
    errors: tuple[type[Exception], ...] = ()  # beside OSError

    def at_spare_root(self) -> Place:
        """The same place, read as the spare root has it."""
        spare = copy(self)
        spare.root = SPARE
        return spare

    def zarr_store(self, read_only: bool = True) -> Store:
        """The same place for Zarr."""
        store = self._store(read_only)
        return store if self.root == ROOT else _SpareRoot(store)

    @abstractmethod
    def _store(self, read_only: bool) -> Store: ...

    @abstractmethod
    def what_is_wrong(self) -> str | None:
        """Why no map can be here, in words; None when one may be."""

    @abstractmethod
    def read(self, name: str) -> bytes: ...

    @abstractmethod
    def replace(self, name: str, data: bytes, durable: bool = False) -> None:
        """Writes a file as a whole: it is the old one or the new one at any moment."""

    @abstractmethod
    def missing(self, names: Iterable[str], under: str) -> Iterator[str]:
        """Those of `names`, all of them below the folder `under`, that are not there."""

    @abstractmethod
    def files(self, under: str = "") -> dict[str, int]:
        """All files below a folder and their sizes in bytes."""

    @abstractmethod
    def children(self, under: str = "") -> list[str]:
        """Names of files and folders directly in a folder, sorted; none where there is no such folder."""

    @abstractmethod
    def remove(self, names: Iterable[str]) -> None:
        """Deletes files, and folders with all they hold; what is not there is passed over."""

    @abstractmethod
    def prepare(self, durable: bool) -> None:
        """Makes the place ready for a new map."""

    @abstractmethod
    def press(self, names: Iterable[str], folders: Iterable[str] = ()) -> None:
        """Brings files, and folders with all they hold, onto the disk; of `folders` only which names they list."""

    @abstractmethod
    def lock(self) -> Lock:
        """Takes the place for one writer. Raises: StoreError naming who has it."""

    @abstractmethod
    def break_lock(self) -> str | None:
        """Removes the lock of a writer that is gone and gives that writer in words; None where there is no lock.

        Raises: StoreError where the writer is seen to be alive.
        """


def place_of(path: Place | Path | str) -> Place:
    """The place that a path or URL such as s3://bucket/walk.zarr names.

    pathlib folds the two slashes of a URL into one; such a path means the same.
    """
    if isinstance(path, Place):
        return path
    url = _URL.fullmatch(str(path))
    if url is None or Path(path).exists():
        return Folder(Path(path).absolute())
    if url["scheme"] == "file":
        return Folder(Path("/" + url["rest"].lstrip("/")))
    from mapping.store.remote import ObjectPlace

    return ObjectPlace(f"{url['scheme']}://{url['rest']}")


class _SpareRoot(WrapperStore[Store]):
    """A store whose root group is described by the spare root."""

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        return await self._store.get(SPARE if key == ROOT else key, prototype, byte_range)


class Folder(Place):
    """A map in a folder of this machine."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    def _store(self, read_only: bool) -> Store:
        return LocalStore(self.path, read_only=read_only)

    def what_is_wrong(self) -> str | None:
        if not self.path.exists():
            return f"there is no map at {self}: the path does not exist"
        if not self.path.is_dir():
            return f"{self} is a file, not a map; a map is a folder (a Zarr group)"
        return None

    def read(self, name: str) -> bytes:
        return (self.path / name).read_bytes()

    def replace(self, name: str, data: bytes, durable: bool = False) -> None:
        whole = self.path / name
        part = whole.with_name(f"{whole.name}.partial")
        if whole.parent != self.path:
            whole.parent.mkdir(exist_ok=True)
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        part.replace(whole)
        if durable:
            _sync(whole.parent)

    def missing(self, names: Iterable[str], under: str) -> Iterator[str]:
        return (name for name in names if not (self.path / name).is_file())

    def files(self, under: str = "") -> dict[str, int]:
        sizes, start = {}, len(str(self.path)) + 1
        for parent, _, files in os.walk(self.path / under):
            for file in files:
                whole = os.path.join(parent, file)
                try:
                    sizes[whole[start:]] = os.stat(whole).st_size
                except FileNotFoundError:  # a writer is at work
                    continue
        return sizes

    def children(self, under: str = "") -> list[str]:
        folder = self.path / under
        return sorted(child.name for child in folder.iterdir()) if folder.is_dir() else []

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            whole = self.path / name
            if whole.is_dir():
                shutil.rmtree(whole)
            else:
                whole.unlink(missing_ok=True)

    def prepare(self, durable: bool) -> None:
        made = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
        self.path.mkdir(parents=True, exist_ok=True)
        for folder in made if durable else ():
            _sync(folder.parent)

    def press(self, names: Iterable[str], folders: Iterable[str] = ()) -> None:
        """Many at a time, so that one journal write serves several of them."""
        with ThreadPoolExecutor(_SYNC_THREADS) as pool:
            for _ in pool.map(_sync, [*self._with_contents(names), *(self.path / folder for folder in folders)]):
                pass

    def lock(self) -> WriterLock:
        return WriterLock(self.path)

    def break_lock(self) -> str | None:
        return break_lock(self.path)

    def _with_contents(self, names: Iterable[str]) -> Iterator[Path]:
        for name in names:
            whole = self.path / name
            if not whole.is_dir():
                yield whole
            for parent, _, files in os.walk(whole):
                yield from (Path(parent, file) for file in files)
                yield Path(parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
