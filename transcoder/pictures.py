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

from transcoder.codecs import codec_name
from transcoder.errors import UnsupportedMediaError
from transcoder.media import Keyframe, SourceClock, Stamping
from transcoder.probing.coded import Shows, shows_picture
from transcoder.probing.nal import starts_afresh
from transcoder.source import packets, rewind

__all__ = ["Damage", "SourcePictures", "Timed"]

Timed = tuple[int, av.VideoFrame]
"""A picture with its pts."""

_KNOW_LEADING_PICTURES = {"h264", "hevc"}
"""Decoders that show nothing after a seek before they can show all of it."""


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

    `seek` holds the keyframes to begin at, best first; with none, decoding begins where the source does. `stamping`
    says how times are made up where the source has none, `max_pixels` bounds a picture. Of the times from `first_pts`
    on, `stamps` are those that the packets promised, `yielded` those of the pictures that came.

    Errors: UnsupportedMediaError where a picture is larger than allowed; FFmpeg's own where the source cannot be read.
    """

    def __init__(
        self,
        container: av.container.InputContainer,
        stream: av.video.VideoStream,
        *,
        first_pts: int,
        seek: Sequence[Keyframe] = (),
        max_pixels: int,
        clock: SourceClock | None = None,
        stamping: Stamping | None = None,
    ) -> None:
        self._container, self._stream, self._seek = container, stream, tuple(seek)
        self._first_pts, self._max_pixels = first_pts, max_pixels
        self._clock, self._stamping = clock, stamping or Stamping()
        self._context, self._codec = stream.codec_context, codec_name(stream) or ""
        # libav asks before it allocates a picture.
        self._context.options = {**self._context.options, "max_pixels": str(max_pixels)}
        self._start = _Start(iter(()))
        self._shows: Shows | None = None
        self.damage = Damage()
        self.stamps: set[int] = set()
        self.yielded: set[int] = set()

    def __iter__(self) -> Iterator[Timed]:
        for start in self._starts():
            self.damage, self.stamps, self.yielded = Damage(), set(), set()
            self._start, self._shows = start, shows_picture(self._codec, self._context.extradata or b"")
            decoded = self._decode()
            shown, following = self._run_in(decoded)
            if start.final or (start.found and shown is not None and (start.earliest or not self.damage)):
                return chain((picture for picture in (shown, following) if picture is not None), decoded)
        raise AssertionError("the last start is final")

    @property
    def begun_at(self) -> Keyframe | None:
        """The keyframe that decoding began at; None where it was the source's beginning."""
        return self._start.keyframe

    def read_until(self, pts: int | None) -> None:
        """Read on, without decoding, until all packets before `pts`, or all there are, have been seen."""
        for packet in self._start.packets:
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
            if number == 0 and not earliest and self._leans_on_others(first):
                continue
            yield _Start(chain((first,), following), keyframe, earliest=earliest)
        if self._seek:
            rewind(self._container)
        yield _Start(packets(self._container, self._stream, clock=self._clock))

    def _reaches(self, first: Packet[Any], keyframe: Keyframe) -> bool:
        """Whether a demuxer that was to seek really begins at the keyframe or before it."""
        if keyframe.position is not None and first.pos is not None:
            return first.pos <= keyframe.position
        stamp = self._stamping.packet(first.pts, first.dts)
        return stamp is not None and stamp <= keyframe.pts

    def _leans_on_others(self, packet: Packet[Any]) -> bool:
        """Whether pictures after this keyframe may refer to what lies before it: in H.264, unless it is IDR."""
        afresh = starts_afresh("h264", self._context.extradata or b"") if self._codec == "h264" else None
        return afresh is not None and not afresh(packet)

    def _run_in(self, decoded: Iterator[Timed]) -> tuple[Timed | None, Timed | None]:
        """The picture that is shown at the first pts, and the one after it where that has been decoded by now.

        Unless the whole source is decoded, what comes before the keyframe refers to pictures that are not there.
        """
        shown: Timed | None = None
        sound = self._start.final or self._codec in _KNOW_LEADING_PICTURES
        for picture in decoded:
            sound = sound or picture[1].key_frame
            if not sound:
                continue
            if shown is not None and picture[0] <= shown[0]:
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
        for packet in chain(self._start.packets, (None,)):
            stamp = None if packet is None else self._note(packet)
            sized = self._context.width * self._context.height > 0
            try:
                frames = self._context.decode(packet)
            except av.error.MemoryError:
                raise
            except av.error.FFmpegError as error:
                size = self._context.width * self._context.height
                if size > self._max_pixels or (sized and size == 0):
                    # What libav leaves behind when it refuses a size: that size, or none.
                    raise UnsupportedMediaError(
                        f"a picture has more than the allowed {self._max_pixels} pixels"
                    ) from error
                if stamp is not None:
                    self.damage.refused.append(stamp)
                continue
            for frame in frames:
                assert isinstance(frame, av.VideoFrame)
                pts = self._stamping.picture(frame.pts, frame.dts, previous)
                pts = self._first_pts if pts is None else pts
                if frame.is_corrupt:
                    self.damage.mended.append(pts)
                previous = pts
                if pts >= self._first_pts:
                    self.yielded.add(pts)
                yield pts, frame

    def _note(self, packet: Packet[Any]) -> int | None:
        """Take note of a packet: whether it is the keyframe that was sought, and what picture it promises."""
        self._start.see(packet)
        stamp = self._stamping.packet(packet.pts, packet.dts)
        shows = self._shows is None or self._shows(packet)
        if shows and stamp is not None and stamp >= self._first_pts and not packet.is_discard:
            self.stamps.add(stamp)
        return stamp


@dataclass(slots=True)
class _Start:
    """Packets to decode, from a keyframe or, without one, from the source's beginning. `earliest`: no keyframe before
    it is known. `found` says whether that very keyframe has been read: a damaged index leads elsewhere, or calls what
    is there by another time."""

    packets: Iterator[Packet[Any]]
    keyframe: Keyframe | None = None
    earliest: bool = False
    found: bool = False

    @property
    def final(self) -> bool:
        """Whether there is no other way."""
        return self.keyframe is None

    def see(self, packet: Packet[Any]) -> None:
        """Look whether this is the keyframe."""
        sought = self.keyframe
        if sought is not None and not self.found and sought.position in {packet.pos, None}:
            self.found = packet.pts == sought.pts or packet.dts == sought.dts
