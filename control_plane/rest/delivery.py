"""Published objects over HTTP: ranges, entity tags, caching and content types.

Segments never change once they have their name (docs/adr/0003), so they may be cached for good. Manifests grow: they
are read whole, so that the length, the tag and the bytes are always those of one version.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from fastapi import Request, Response
from starlette.concurrency import iterate_in_threadpool
from starlette.responses import StreamingResponse

from cluster.ports import ObjectStore
from control_plane.rest.ranges import matches, parse_range
from transcoder.errors import InvalidInputError, NotFoundError

__all__ = ["deliver"]

_TYPES: Final = {
    ".m3u8": "application/vnd.apple.mpegurl",
    ".mpd": "application/dash+xml",
    ".m4s": "video/mp4",
    ".mp4": "video/mp4",
    ".jpg": "image/jpeg",
    ".vtt": "text/vtt",
    ".json": "application/json",
}
_MANIFESTS: Final = {".m3u8", ".mpd"}
_SEGMENTS: Final = {"cmaf", "text"}
_IMMUTABLE: Final = "private, max-age=31536000, immutable"
_SHORT: Final = "private, max-age=300"


@dataclass(frozen=True, slots=True)
class _Representation:
    """One version of an object: its size in bytes, quoted tag, and the bytes of [start, end)."""

    size: int
    etag: str
    read: Callable[[int, int], Iterator[bytes]]


async def deliver(request: Request, store: ObjectStore, key: str) -> Response:
    """Answer a GET or HEAD for a stored object.

    Errors: NotFoundError, RangeNotSatisfiableError.
    """
    path = PurePosixPath(key)
    manifest = path.suffix in _MANIFESTS
    try:
        found = await asyncio.to_thread(_manifest if manifest else _object, store, key)
    except (NotFoundError, InvalidInputError):
        # The store speaks of keys, which are none of the caller's business.
        raise NotFoundError("there is no such file") from None
    headers = {
        "ETag": found.etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "no-cache" if manifest else _IMMUTABLE if _SEGMENTS & set(path.parts) else _SHORT,
        "X-Content-Type-Options": "nosniff",
    }
    if matches(request.headers.get("if-none-match"), found.etag):
        return Response(status_code=304, headers=headers)
    condition = request.headers.get("if-range")
    # RFC 9110, 13.1.5: a range of another version is no use; the whole new one is.
    wanted = request.headers.get("range") if condition in {None, found.etag} else None
    span = parse_range(wanted, found.size) if request.method == "GET" else None
    start, end = span or (0, found.size)
    headers["Content-Length"] = str(end - start)
    if span:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{found.size}"
    media_type = _TYPES.get(path.suffix, "application/octet-stream")
    status = 206 if span else 200
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=media_type)
    pieces = await asyncio.to_thread(found.read, start, end)
    return StreamingResponse(_closing(pieces), status_code=status, headers=headers, media_type=media_type)


def _manifest(store: ObjectStore, key: str) -> _Representation:
    data = store.read(key)
    etag = hashlib.sha256(data).hexdigest()[:32]
    return _Representation(len(data), f'"{etag}"', lambda start, end: iter((data[start:end],)))


def _object(store: ObjectStore, key: str) -> _Representation:
    info = store.stat(key)
    return _Representation(info.size, f'"{info.etag}"', lambda start, end: store.stream(key, start, end))


async def _closing(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces, read in threads; a client that goes away closes the object behind them."""
    try:
        async for piece in iterate_in_threadpool(pieces):
            yield piece
    finally:
        close = getattr(pieces, "close", None)
        if close is not None:
            close()
