"""Opening a source safely: hostile bytes, no names, no network, a bounded list of container formats.

libav is given a file object and never a name or a URL: an ffconcat script or a playlist that points elsewhere
then finds nothing to open, and `format_whitelist` keeps their demuxers from being tried at all. This is also
the one place where FFmpeg's errors become ours.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

import av
import av.container
import av.error
import av.stream
from av.packet import Packet

from transcoder.clock import BreakFinder, PacketClock
from transcoder.codecs import decoders
from transcoder.errors import FramemillError, StorageError, UnsupportedMediaError
from transcoder.limits import DEFAULT_LIMITS, Limits
from transcoder.media import Keyframe, SourceClock
from transcoder.signatures import SIGNATURE_BYTES, unknown_container

__all__ = ["FORMATS", "clock_may_jump", "media_errors", "open_source", "packets", "rewind", "seeks_by_bytes"]

FORMATS = (
    "mov", "mp4", "m4a", "3gp", "3g2", "mj2",  # ISO base media and QuickTime
    "matroska", "webm",
    "mpegts", "mpeg", "pva", "avi", "flv", "live_flv", "asf", "mxf", "ogg", "dv",
    "ivf", "obu", "av1", "h264", "hevc", "m4v", "mpegvideo", "vc1", "vc1test",  # streams without a container
    "wav", "w64", "aiff", "caf", "mp3", "aac", "flac", "ac3", "eac3", "dts", "amr",  # sound alone
)  # fmt: skip
"""Demuxers that may be tried. Each is self-contained: none of them opens another file by itself."""

_SOUGHT_BY_BYTES = {
    "mpegts", "mpeg", "flv", "live_flv", "ivf", "h264", "hevc", "m4v", "mpegvideo", "vc1", "vc1test",
}  # fmt: skip
"""Demuxers that keep no index: a keyframe is found again by its position, not by a time that may come twice."""

_RUN_UP = {"mpegts": 1 << 18, "mpeg": 1 << 20}
"""So many bytes before a keyframe reading begins, where a picture may begin in the middle of a packet: the demuxer has
to have seen the picture before, lest its rest takes the keyframe's stamps."""

_BEFORE_ALL = -(1 << 50)

_WITHOUT_TIME = {"av1", "h264", "hevc", "m4v", "mpegvideo", "obu", "vc1", "vc1test"}
"""Demuxers of what has no stamps at all, but on what libav derives: pictures are counted there."""


_MOST_STREAMS = 1000
"""libav's own bound, stated because it is a fence: the probe says how many streams are too many."""

_TS_DISCONT = 0x0200
"""AVFMT_TS_DISCONT."""

_DISK_ERRORS = {errno.EIO, errno.ENOSPC, errno.EROFS}

_OPTIONS = {
    "format_whitelist": ",".join(FORMATS),
    "codec_whitelist": ",".join(decoders()),
    # What the container leaves out is not made up from later packets: libav's own guess takes the order of decoding
    # for that of display. A decoder that has no pts to give tells by its dts when a picture comes out.
    "fflags": "-genpts",
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
def open_source(file: BinaryIO, limits: Limits = DEFAULT_LIMITS) -> Iterator[av.container.InputContainer]:
    """Open a source for demuxing. `file` must be seekable; it is read from its
    beginning and left open.

    Errors: UnsupportedMediaError where the content is none of `FORMATS` or cannot be read.
    """
    file.seek(0)
    options = {
        **_OPTIONS,
        "probesize": str(limits.probe_bytes),
        "max_streams": str(_MOST_STREAMS),
        "max_pixels": str(limits.decoder_pixels),
    }
    try:
        with media_errors("reading the source"):
            container = av.open(_Nameless(file), mode="r", options=options, metadata_errors="replace")
    except (UnsupportedMediaError, StorageError) as error:
        file.seek(0)
        raise UnsupportedMediaError(unknown_container(file.read(SIGNATURE_BYTES)), error.details) from error
    with container:
        yield container


class _Nameless:
    """A file as libav sees it: bytes, and no name whose ending would have a say in what the bytes are."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.read, self.tell = file.read, file.tell

    def seek(self, offset: int, whence: int = 0) -> int:
        """The new position. A damaged index leads to places that no file has: libav is told so in its own way."""
        try:
            return self._file.seek(offset, whence)
        except (OSError, OverflowError, ValueError) as error:
            if isinstance(error, OSError) and error.errno != errno.EINVAL:
                raise
            return -errno.EINVAL


def seeks_by_bytes(container: av.container.InputContainer) -> bool:
    """Whether a keyframe of this container is found by its byte position, so that `Keyframe.position` has to say it."""
    return container.format.name in _SOUGHT_BY_BYTES


def clock_may_jump(container: av.container.InputContainer) -> bool:
    """Whether the stamps of this container may jump (AVFMT_TS_DISCONT), which its reader has to mend."""
    return bool(container.format.flags & _TS_DISCONT)


def packets(
    container: av.container.InputContainer,
    *streams: av.stream.Stream,
    clock: SourceClock | BreakFinder | None = None,
    start: Keyframe | None = None,
) -> Iterator[Packet[Any]]:
    """The packets of some streams, their stamps on the source's one clock. A source that breaks off yields what is
    there.

    Reading begins where the container stands, or at `start`, a keyframe of the first stream. Of a container that is
    sought by bytes that keyframe is the first packet then, or there is none; else packets before it may come first,
    or, where the demuxer did not find it, later ones.
    """
    demuxed = _demuxed(container, streams, clock)
    exact = start if start is not None and start.position is not None and seeks_by_bytes(container) else None
    if start is not None:
        try:
            _seek(container, streams[0], start, by_bytes=exact is not None)
        except av.error.FFmpegError:
            return
    if exact is not None and exact.position is not None:
        demuxed = _from_position(demuxed, streams[0], exact.position)
    counted = container.format.name in _WITHOUT_TIME or (clock is not None and clock.counted)
    mender = PacketClock(clock.breaks if clock else (), streams[0] if streams else None, exact, counted=counted)
    for packet in demuxed:
        if isinstance(clock, BreakFinder):
            clock.watch(packet)
        mender.mend(packet)
        yield packet


def rewind(container: av.container.InputContainer) -> None:
    """Back to the first packet of all, keyframe or not."""
    if seeks_by_bytes(container):
        container.seek(0, unsupported_byte_offset=True)
        return
    try:
        container.seek(_BEFORE_ALL, backward=True, any_frame=True)
    except av.error.FFmpegError:
        # Some demuxers find nothing before the first time that they know.
        container.seek(container.start_time or 0, backward=True, any_frame=True)


def _seek(container: av.container.InputContainer, stream: av.stream.Stream, start: Keyframe, *, by_bytes: bool) -> None:
    if start.position is None or not by_bytes:
        container.seek(start.dts, stream=stream, backward=True, any_frame=False)
    else:
        position = max(0, start.position - _RUN_UP.get(container.format.name, 0))
        container.seek(position, unsupported_byte_offset=True)


def _from_position(demuxed: Iterator[Packet[Any]], stream: av.stream.Stream, position: int) -> Iterator[Packet[Any]]:
    for packet in demuxed:
        if packet.stream_index != stream.index or packet.pos is None or packet.pos < position:
            continue
        if packet.pos == position:
            yield packet
            yield from demuxed
        return


def _demuxed(
    container: av.container.InputContainer,
    streams: Sequence[av.stream.Stream],
    clock: SourceClock | BreakFinder | None,
) -> Iterator[Packet[Any]]:
    iterator = container.demux(streams)
    while True:
        try:
            packet = next(iterator)
        except (StopIteration, av.error.EOFError):
            return
        except av.error.MemoryError:
            raise
        except av.error.FFmpegError as error:
            # An error of the file object comes as it is: this is what a demuxer says of data that it cannot read past,
            # or some old ones (EIO) where there is no more.
            if isinstance(clock, BreakFinder) and error.errno != errno.EIO:
                clock.broken_off = True
            return
        if packet.size:
            yield packet
