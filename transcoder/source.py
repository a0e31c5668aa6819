"""Opening a source safely: hostile bytes, no names, no network, a bounded list of container formats.

libav is given a file object and never a name or a URL: an ffconcat script or a playlist that points elsewhere
then finds nothing to open, and `format_whitelist` keeps their demuxers from being tried at all. This is also
the one place where FFmpeg's errors become ours.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import av
import av.container
import av.error
import av.stream
from av.packet import Packet

from transcoder.errors import FramemillError, StorageError, UnsupportedMediaError

__all__ = ["FORMATS", "media_errors", "open_source", "packets"]

FORMATS = (
    "mov", "mp4", "m4a", "3gp", "3g2", "mj2",  # ISO base media and QuickTime
    "matroska", "webm",
    "mpegts", "mpeg", "mpegvideo",
    "avi", "flv", "asf", "mxf", "ogg",
)  # fmt: skip
"""Demuxers that may be tried. Each is self-contained: none of them opens another file by itself."""

_DISK_ERRORS = {errno.EIO, errno.ENOSPC, errno.EROFS}

_OPTIONS = {
    "format_whitelist": ",".join(FORMATS),
    # External media references of QuickTime stay unread (off by default; stated, because it is a fence).
    "enable_drefs": "0",
    "use_absolute_path": "0",
    # Whatever a demuxer might still try to open by name has no protocol to do it with.
    "protocol_whitelist": "",
}


@contextmanager
def media_errors(doing: str) -> Iterator[None]:
    """Translate FFmpeg's errors: bad media is UnsupportedMediaError, a failing disk is StorageError.

    An error that a file object of ours raised while libav was reading comes through unchanged.
    """
    try:
        yield
    except FramemillError:
        raise
    except (av.error.MemoryError, MemoryError) as error:
        raise UnsupportedMediaError(f"{doing} needs more memory than is allowed") from error
    except av.error.FFmpegError as error:
        if error.errno in _DISK_ERRORS:
            raise StorageError(f"{doing} failed: {error.strerror}") from error
        raise UnsupportedMediaError(f"{doing} failed: {error.strerror}", {"ffmpeg": type(error).__name__}) from error
    except (EOFError, IndexError, UnicodeDecodeError) as error:
        raise UnsupportedMediaError(f"{doing} failed: the data is damaged") from error


@contextmanager
def _known_container() -> Iterator[None]:
    try:
        yield
    except av.error.ArgumentError as error:
        # What libav says when it recognised a format that the whitelist does not have.
        raise UnsupportedMediaError("the content is not one of the supported containers") from error


@contextmanager
def open_source(file: BinaryIO) -> Iterator[av.container.InputContainer]:
    """Open a source for demuxing. `file` must be seekable; it is read from its
    beginning and left open.

    Errors: UnsupportedMediaError where the content is none of `FORMATS` or cannot be read.
    """
    file.seek(0)
    with media_errors("reading the source"), _known_container():
        container = av.open(file, mode="r", options=_OPTIONS, metadata_errors="replace")
    with container:
        yield container


def packets(container: av.container.InputContainer, *streams: av.stream.Stream) -> Iterator[Packet[Any]]:
    """The packets of some streams from where the container stands. A source that breaks off yields what is there."""
    iterator = container.demux(streams)
    while True:
        try:
            packet = next(iterator)
        except (StopIteration, av.error.EOFError, av.error.InvalidDataError):
            return
        if packet.size:
            yield packet
