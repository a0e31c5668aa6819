"""The pictures of a source from a time on, as one decoder that reads the whole source would yield them.

Decoding begins at a keyframe before that time, and no seek point is trusted: what counts is what the decoder shows.
A start is good when it shows a picture at that time or before it, and none up to there is damaged; else decoding
begins at an earlier keyframe, and in the end at the source's beginning. H.264 calls some pictures keyframes that are
none (intra refresh, an I picture that later ones refer across): unless the keyframe is an IDR picture, decoding begins
one keyframe earlier.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import av
import av.container
import av.error
import av.video
from av.packet import Packet

from transcoder.errors import UnsupportedMediaError
from transcoder.media import Keyframe, SourceClock, Stamping
from transcoder.source import packets, rewind

__all__ = ["Damage", "SourcePictures", "Timed"]

Timed = tuple[int, av.VideoFrame]
"""A picture with its pts."""

_KNOW_LEADING_PICTURES = {"h264", "hevc"}
"""Decoders that show nothing after a seek before they can show all of it."""

_IDR = 5
"""nal_unit_type of a slice of an IDR picture (ITU-T H.264, table 7-1); 1 to 5 are slices."""


@dataclass(slots=True)
class Damage:
    """What was wrong with the pictures, by pts: packets that the decoder refused, pictures that it mended."""

    refused: list[int] = field(default_factory=list)
    mended: list[int] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.refused or self.mended)

    def between(self, start: int, end: int | None) -> Damage:
        """The damage from `start` on and before `end`."""

        def inside(stamps: list[int]) -> list[int]:
            return [pts for pts in stamps if start <= pts and (end is None or pts < end)]

        return Damage(inside(self.refused), inside(self.mended))


class SourcePictures:
    """Iterate once, for pictures in the order of display: first the one shown at `first_pts`, where there is one.

    `seek` holds the keyframes to begin at, best first; with none, decoding begins where the source does.
    `stamping` says how times are made up where the source has none. `stamps` are the distinct times of
    the packets from `first_pts` on that were read. `max_pixels` bounds a picture.

    Errors: UnsupportedMediaError where a picture is larger than allowed; FFmpeg's own where the source cannot be read.
    """

    def __init__(
        self,
        container: av.container.InputContainer,
        stream: av.video.VideoStream,
        *,
        first_pts: int,
        step: int,
        seek: Sequence[Keyframe] = (),
        max_pixels: int,
        clock: SourceClock | None = None,
        stamping: Stamping | None = None,
    ) -> None:
        self._container, self._stream, self._seek = container, stream, tuple(seek)
        self._first_pts, self._step, self._max_pixels = first_pts, step, max_pixels
        self._clock, self._stamping = clock, stamping or Stamping()
        self._context = stream.codec_context
        # libav asks before it allocates a picture.
        self._context.options = {**self._context.options, "max_pixels": str(max_pixels)}
        self._packets: Iterator[Packet[Any]] = iter(())
        self.damage = Damage()
        self.stamps: set[int] = set()

    def __iter__(self) -> Iterator[Timed]:
        for start in self._starts():
            self.damage, self.stamps = Damage(), set()
            self._packets = start.packets
            decoded = self._decode()
            shown, following = self._run_in(decoded, whole=start.final)
            if start.final or (shown is not None and (start.earliest or not self.damage)):
                return chain((picture for picture in (shown, following) if picture is not None), decoded)
        raise AssertionError("the last start is final")

    def read_until(self, pts: int | None) -> None:
        """Read on, without decoding, until all packets before `pts`, or all there are, have been seen."""
        for packet in self._packets:
            self._note(packet)
            # Packets come in the order of decoding: no later one is shown before this one is decoded.
            stamp = packet.pts if packet.dts is None else packet.dts + (self._stamping.shift or 0)
            if pts is not None and stamp is not None and stamp >= pts:
                return

    def _starts(self) -> Iterator[_Start]:
        """Where decoding may begin, best first."""
        for number, keyframe in enumerate(self._seek):
            following = packets(self._container, self._stream, clock=self._clock, start=keyframe)
            first = next(following, None)
            if first is None or not self._reaches(first, keyframe):
                continue
            earliest = number == len(self._seek) - 1
            if number == 0 and not earliest and not _stands_alone(first, self._context):
                continue
            yield _Start(chain((first,), following), earliest=earliest)
        if self._seek:
            rewind(self._container)
        yield _Start(packets(self._container, self._stream, clock=self._clock), final=True)

    def _reaches(self, first: Packet[Any], keyframe: Keyframe) -> bool:
        """Whether a demuxer that was to seek really begins at the keyframe or before it."""
        if keyframe.position is not None and first.pos is not None:
            return first.pos <= keyframe.position
        stamp = self._stamping.packet(first.pts, first.dts)
        return stamp is not None and stamp <= keyframe.pts

    def _run_in(self, decoded: Iterator[Timed], *, whole: bool) -> tuple[Timed | None, Timed | None]:
        """The picture that is shown at the first pts, and the one after it where that has been decoded by now.

        Unless the `whole` source is decoded, what comes before the keyframe refers to pictures that are not there.
        """
        shown: Timed | None = None
        sound = whole or self._context.name in _KNOW_LEADING_PICTURES
        for picture in decoded:
            sound = sound or picture[1].key_frame
            if not sound:
                continue
            if picture[0] > self._first_pts:
                return shown, picture
            shown = picture
            if picture[0] == self._first_pts:
                break
        return shown, None

    def _decode(self) -> Iterator[Timed]:
        """All pictures that the packets yield. What the decoder refuses is noted, and it goes on with the next."""
        previous: int | None = None
        for packet in chain(self._packets, (None,)):
            stamp = None if packet is None else self._note(packet)
            sized = self._context.width * self._context.height > 0
            try:
                frames = self._context.decode(packet)
            except av.error.MemoryError:
                raise
            except av.error.FFmpegError as error:
                if sized and self._context.width * self._context.height == 0:
                    # What libav leaves behind when it refuses a size.
                    raise UnsupportedMediaError(
                        f"a picture has more than the allowed {self._max_pixels} pixels"
                    ) from error
                if stamp is not None:
                    self.damage.refused.append(stamp)
                continue
            for frame in frames:
                assert isinstance(frame, av.VideoFrame)
                pts = self._stamping.picture(frame.pts, frame.dts)
                if pts is None:
                    # Without a pts, nobody knows when those come that the decoder held back to the end.
                    pts = self._first_pts if previous is None else previous + self._step
                if frame.is_corrupt:
                    self.damage.mended.append(pts)
                previous = pts
                yield pts, frame

    def _note(self, packet: Packet[Any]) -> int | None:
        stamp = self._stamping.packet(packet.pts, packet.dts)
        if stamp is not None and stamp >= self._first_pts and not packet.is_discard:
            self.stamps.add(stamp)
        return stamp


@dataclass(frozen=True, slots=True)
class _Start:
    """Packets to decode. `earliest`: no keyframe before it is known; `final`: there is no other way."""

    packets: Iterator[Packet[Any]]
    earliest: bool = False
    final: bool = False


def _stands_alone(packet: Packet[Any], context: av.codec.context.CodecContext) -> bool:
    """Whether nothing after this keyframe refers to what lies before it: an IDR picture, in H.264."""
    if context.name != "h264":
        return True
    return _first_slice(bytes(packet), context.extradata or b"") == _IDR


def _first_slice(data: bytes, extradata: bytes) -> int | None:
    """The nal_unit_type of the first slice, in either byte format (ITU-T H.264, annex B; ISO/IEC 14496-15, 5.3.3)."""
    if extradata[:1] == b"\x01" and len(extradata) > 4:
        size, position = (extradata[4] & 3) + 1, 0
        while position + size < len(data):
            kind = data[position + size] & 0x1F
            if 1 <= kind <= _IDR:
                return kind
            position += size + int.from_bytes(data[position : position + size])
        return None
    position = data.find(b"\0\0\1")
    while 0 <= position < len(data) - 3:
        kind = data[position + 3] & 0x1F
        if 1 <= kind <= _IDR:
            return kind
        position = data.find(b"\0\0\1", position + 3)
    return None
