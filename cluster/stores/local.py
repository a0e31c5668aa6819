"""An object store in a local directory: the embedded default.

Order of writes: the bytes go to a new file under `.incoming/`, are flushed to the disk, and only then get
their name by `link(2)`, which fails where the name is taken; the directory is flushed last. So an object is
whole or absent whatever dies, and nothing is ever overwritten. Only `replace` renames over a name. What a crash
leaves under `.incoming/` is removed when it is a day old.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from cluster.ports import ObjectInfo
from cluster.stores.keys import check_key, check_prefix
from transcoder.errors import AlreadyExistsError, NotFoundError, StorageError

__all__ = ["LocalStore"]

_PIECE = 256 * 1024
_STALE_SECONDS = 24 * 3600


class LocalStore:
    """`ObjectStore` over a directory. `prefix` (ending in a slash, or empty) is put before every key."""

    def __init__(self, root: str | Path, *, prefix: str = "") -> None:
        self._root = Path(root).absolute()
        self._prefix = check_prefix(prefix)
        self._incoming = self._root / ".incoming"

    def create(self, key: str, data: bytes | Path) -> ObjectInfo:
        target = self._path(key)
        with self._written(data) as temporary, _translated(key):
            _name(target, lambda: os.link(temporary, target))
        return self.stat(key)

    def replace(self, key: str, data: bytes) -> ObjectInfo:
        target = self._path(key)
        with self._written(data) as temporary, _translated(key):
            _name(target, lambda: os.replace(temporary, target))
        return self.stat(key)

    def link(self, source: str, target: str) -> ObjectInfo:
        origin, name = self._path(source), self._path(target)
        with _translated(source):
            origin.stat()
            try:
                _name(name, lambda: os.link(origin, name))
            except FileExistsError as error:
                if not (os.path.samefile(origin, name) or _same_bytes(origin, name)):
                    raise AlreadyExistsError("the target has other bytes", {"key": target}) from error
        return self.stat(target)

    def stat(self, key: str) -> ObjectInfo:
        with _translated(key):
            return _info(key, self._path(key))

    def open(self, key: str) -> BinaryIO:
        with _translated(key):
            return self._path(key).open("rb")

    def read(self, key: str) -> bytes:
        with _translated(key):
            return self._path(key).read_bytes()

    def stream(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        # Opened before the first piece is asked for, so that a missing object is an error of this call.
        file = self.open(key)
        return _pieces(file, start, end)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        full = self._prefix + check_prefix(prefix)
        folder = self._root / full.rpartition("/")[0]
        found = []
        for directory, folders, files in os.walk(folder):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in files:
                path = Path(directory, name)
                key = path.relative_to(self._root).as_posix()
                if key.startswith(full):
                    found.append((key.removeprefix(self._prefix), path))
        for key, path in sorted(found):
            with contextlib.suppress(FileNotFoundError):
                yield _info(key, path)

    def delete(self, key: str) -> None:
        path = self._path(key)
        with _translated(key), contextlib.suppress(FileNotFoundError):
            path.unlink()
            self._prune(path.parent)

    def delete_prefix(self, prefix: str) -> int:
        check_key(prefix.rstrip("/"))
        count = 0
        for info in list(self.list(prefix.rstrip("/") + "/")):
            self.delete(info.key)
            count += 1
        return count

    def _path(self, key: str) -> Path:
        return self._root / (self._prefix + check_key(key))

    def _prune(self, folder: Path) -> None:
        # Empty folders are not objects: drop them up to the root; a folder in use again just stays.
        with contextlib.suppress(OSError):
            while folder != self._root and folder.is_relative_to(self._root):
                folder.rmdir()
                folder = folder.parent

    @contextlib.contextmanager
    def _written(self, data: bytes | Path) -> Iterator[Path]:
        """The data in a flushed temporary file of the same file system; removed afterwards in every case."""
        temporary = self._incoming / uuid.uuid4().hex
        try:
            with _translated(temporary.name):
                self._incoming.mkdir(parents=True, exist_ok=True)
                self._sweep()
                with temporary.open("xb") as file:
                    if isinstance(data, bytes):
                        file.write(data)
                    else:
                        with data.open("rb") as source:
                            shutil.copyfileobj(source, file, 1024 * 1024)
                    file.flush()
                    os.fsync(file.fileno())
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)

    def _sweep(self) -> None:
        horizon = time.time() - _STALE_SECONDS
        with os.scandir(self._incoming) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    if entry.stat().st_mtime < horizon:
                        os.unlink(entry.path)


def _name(target: Path, action: Callable[[], None]) -> None:
    """Give an object its name. Tried again when a delete beside it pruned the still empty folder."""
    for last in (False, False, True):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            action()
            _flush_directory(target.parent)
            return
        except FileNotFoundError:
            if last:
                raise


def _info(key: str, path: Path) -> ObjectInfo:
    status = path.stat()
    if not path.is_file():
        raise FileNotFoundError(errno.ENOENT, "a folder is not an object", str(path))
    return ObjectInfo(key, status.st_size, f"{status.st_mtime_ns:x}-{status.st_size:x}", status.st_mtime)


def _pieces(file: BinaryIO, start: int, end: int | None) -> Iterator[bytes]:
    with file:
        file.seek(start)
        left = end - start if end is not None else None
        while left is None or left > 0:
            piece = file.read(_PIECE if left is None else min(_PIECE, left))
            if not piece:
                return
            if left is not None:
                left -= len(piece)
            yield piece


def _same_bytes(one: Path, other: Path) -> bool:
    if one.stat().st_size != other.stat().st_size:
        return False
    with one.open("rb") as a, other.open("rb") as b:
        while piece := a.read(_PIECE):
            if piece != b.read(_PIECE):
                return False
    return True


def _flush_directory(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _translated(key: str) -> Iterator[None]:
    """Operating system errors as ours; the key is named, the path never is."""
    try:
        yield
    except FileExistsError as error:
        raise AlreadyExistsError("an object with this key exists", {"key": key}) from error
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise NotFoundError("there is no such object", {"key": key}) from error
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        raise StorageError(f"the object store failed: {reason}", {"key": key}) from error
