"""A multipart upload (RFC 7578), streamed: the file goes to the disk as it comes, never into memory.

Everything is checked while the bytes run: the signature on the first 4 KiB, the size as it grows. What fails stops
there, and the temporary file is gone whatever happens.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from control_plane.rest.signature import HEAD_BYTES, sniff
from control_plane.service.errors import PayloadTooLargeError
from transcoder.errors import InvalidInputError, StorageError

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

__all__ = ["ReceivedUpload", "receive_upload", "sweep"]

MAX_TITLE = 200
_FLUSH_BYTES = 1024 * 1024
_MAX_NAME = 255
_MAX_FIELD_BYTES = 4096
_MAX_PARTS = 8
_STALE_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class ReceivedUpload:
    """A file that has come in whole. `path` lives as long as the context that gave it."""

    path: Path
    name: str
    title: str
    content_type: str
    size_bytes: int
    sha256: str


@asynccontextmanager
async def receive_upload(
    body: AsyncIterator[bytes], content_type: str, *, folder: Path, limit: int, arrived: Callable[[int], None]
) -> AsyncIterator[ReceivedUpload]:
    """Take in the parts `file` and, if there is one, `title`; the temporary file ends with the context.

    `limit` is the largest file in bytes; `arrived` is told of bytes as they are written. Errors: InvalidInputError
    (the form is wrong), PayloadTooLargeError, UnsupportedMediaError (the signature), StorageError (the disk).
    """
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise InvalidInputError("the body must be multipart/form-data with a boundary")
    path = folder / f"{uuid.uuid4().hex}.upload"
    try:
        with path.open("xb", buffering=0) as file:
            form = _Form(file, limit)
            try:
                parser = MultipartParser(boundary, form.callbacks())
                async for piece in body:
                    parser.write(piece)
                    arrived(await form.flush(_FLUSH_BYTES))
            except FormParserError as error:
                raise InvalidInputError(f"the multipart body is malformed: {error}") from error
            arrived(await form.flush(1))
        yield form.finish(path)
    finally:
        path.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Make the folder of temporary files, and remove those that a crash left there more than a day ago."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    horizon = time.time() - _STALE_SECONDS
    for path in folder.glob("*.upload"):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < horizon:
                path.unlink()


class _Form:
    """Collects the parts as the parser finds them; only `flush` touches the disk."""

    def __init__(self, file: BinaryIO, limit: int) -> None:
        self._file = file
        self._limit = limit
        self._parts = 0
        self._ended = False
        self._header = b""
        self._value = b""
        self._disposition = b""
        self._field = ""
        self._title: bytearray | None = None
        self._name: str | None = None
        self._head = bytearray()
        self._content_type = ""
        self._pending = bytearray()
        self._size = 0
        self._digest = hashlib.sha256()

    def callbacks(self) -> MultipartCallbacks:
        """What the parser calls; each gets its bytes as (data, start, end)."""
        return {
            "on_part_begin": self._part_begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._part_data,
            "on_part_end": self._part_end,
            "on_end": self._end,
        }

    async def flush(self, threshold: int) -> int:
        """Write what is pending if it is at least `threshold` bytes; the number of bytes written."""
        count = len(self._pending)
        if count < threshold:
            return 0
        pending, self._pending = bytes(self._pending), bytearray()
        try:
            await asyncio.to_thread(self._write, pending)
        except OSError as error:
            raise StorageError(f"the upload cannot be stored: {error.strerror}") from error
        return count

    def finish(self, path: Path) -> ReceivedUpload:
        """The whole upload. Errors: InvalidInputError when the form is not complete."""
        if not self._ended:
            raise InvalidInputError("the multipart body ends before its last boundary")
        if self._name is None:
            raise _wrong("file", "the form has no file")
        return ReceivedUpload(
            path=path, name=self._name, title=self._checked_title(), content_type=self._content_type,
            size_bytes=self._size, sha256=self._digest.hexdigest(),
        )  # fmt: skip

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:  # an unbuffered file may take less than it is given
            view = view[self._file.write(view) :]
        self._digest.update(data)

    def _part_begin(self) -> None:
        self._parts += 1
        if self._parts > _MAX_PARTS:
            raise InvalidInputError("the form has too many parts")
        self._disposition = b""

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header = self._value = b""

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._field = options.get(b"name", b"").decode("utf-8", "replace")
        if self._field == "file":
            if self._name is not None:
                raise _wrong("file", "the form has more than one file")
            self._name = _file_name(options.get(b"filename", b"").decode("utf-8", "replace"))
        elif self._field == "title":
            if self._title is not None:
                raise _wrong("title", "the form has more than one title")
            self._title = bytearray()
        else:
            raise _wrong(self._field[:64] or "form", "there is no such field: the form has `file` and `title`")

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._title is not None and self._field == "title":
            if len(self._title) + end - start > _MAX_FIELD_BYTES:
                raise _wrong("title", f"at most {MAX_TITLE} characters")
            self._title += data[start:end]
            return
        self._size += end - start
        if self._size > self._limit:
            raise PayloadTooLargeError("the file is larger than the limit", {"limitBytes": self._limit})
        self._pending += data[start:end]
        if not self._content_type:
            self._head += data[start : min(end, start + HEAD_BYTES - len(self._head))]
            if len(self._head) >= HEAD_BYTES:
                self._content_type = sniff(bytes(self._head))

    def _part_end(self) -> None:
        if self._field == "file" and not self._content_type:
            self._content_type = sniff(bytes(self._head))

    def _end(self) -> None:
        self._ended = True

    def _checked_title(self) -> str:
        if self._title is None:
            return Path(self._name or "").stem[:MAX_TITLE] or "untitled"
        title = self._title.decode("utf-8", "replace").strip()
        if not 1 <= len(title) <= MAX_TITLE or not title.isprintable():
            raise _wrong("title", f"1 to {MAX_TITLE} printable characters")
        return title


def _file_name(given: str) -> str:
    """A name to show, never to open: the last part of any path, printable, at most 255 characters."""
    name = "".join(character for character in PureWindowsPath(given).name if character.isprintable())
    return name[:_MAX_NAME] if name.strip(". ") else "upload"


def _wrong(field: str, reason: str) -> InvalidInputError:
    return InvalidInputError(f"{field}: {reason}", {"fields": {field: reason}})
