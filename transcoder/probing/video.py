"""One video stream's `VideoStream`: times from all its packets, looks from its pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain, pairwise
from operator import attrgetter
from typing import BinaryIO

import av
import av.container
import av.error
import av.stream
import av.video

from transcoder.codecs import codec_name
from transcoder.limits import Limits
from transcoder.media import Keyframe, SourceClock, VideoStream
from transcoder.probing import fields, picture
from transcoder.probing.decoding import decode, prepare
from transcoder.probing.described import Described
from transcoder.probing.first import First
from transcoder.probing.survey import StreamSurvey
from transcoder.probing.timing import FirstPicture, PictureTimes, picture_times
from transcoder.source import media_errors, open_source, packets

__all__ = ["VideoProbe"]

_MOST_INTERLACED_RATE = 31
"""Pictures a second above which nobody weaves fields: 50 and 59.94 fields a second make half as many pictures."""

_WITH_FIELDS = frozenset({
    "h264", "hevc", "mpeg2video", "mpeg4", "vc1", "wmv3", "prores", "prores_raw", "dnxhd", "cfhd", "aic", "mjpeg",
    "mjpegb", "jpeg2000", "dvvideo", "ffv1", "huffyuv", "ffvhuff", "utvideo", "lagarith", "magicyuv", "rawvideo",
    "v210", "v308", "v408", "v410", "r210", "yuv4",
})  # fmt: skip
"""Codecs whose pictures may hold fields, whatever they say of themselves."""

_BOTTOM_FIELD_FIRST = {"dvvideo"}
"""Codecs that know no other order: IEC 61834."""

_SPOTS = 6
"""Places of a title where pictures are looked at."""

_SPOT_PACKETS = 60

_WITHOUT_BASE_LAYER = {5, 8, 9, 10}
"""Dolby Vision profiles whose compatibility 0 means that the picture is in a colour space of its own. The others (4, 7)
always have a base layer."""


_FAR_SECONDS = 60
"""Keyframes that are further apart make a source slow to work on in parts."""


class VideoProbe:
    """Looks at one stream. `warnings` are about what it found there."""

    def __init__(
        self,
        file: BinaryIO,
        stream: av.video.VideoStream,
        own: StreamSurvey,
        first: First,
        described: Described | None,
        limits: Limits,
    ) -> None:
        self._file, self._stream, self._own, self._first = file, stream, own, first
        self._described = described or Described()
        self._limits = limits
        self.warnings: list[str] = []

    def stream(self, clock: SourceClock) -> VideoStream | str:
        """The stream, or why it is of no use. Errors: UnsupportedMediaError where it is over a limit."""
        frame, stream = self._first.frame, self._stream
        assert isinstance(frame, av.VideoFrame) and stream.time_base is not None
        vision = self._described.dolby_vision
        if vision is not None and vision.compatibility == 0 and vision.profile in _WITHOUT_BASE_LAYER:
            return (
                f"Dolby Vision without a base layer (profile {vision.profile}): its pictures have a colour space that "
                "only a licensed decoder can show"
            )
        self._check_tail(clock)
        shown = FirstPicture(self._first.pts, self._first.dts, self._first.reordered)
        times = picture_times(self._own, stream.time_base, shown, stream.guessed_rate, self._limits)
        far = _farthest([keyframe.pts for keyframe in self._own.keyframes], times) * stream.time_base
        if far > _FAR_SECONDS:
            self.warnings.append(
                f"video stream {stream.index}: keyframes are up to {float(far):.0f} s apart; each part of the title is "
                "decoded from the one before it"
            )
        orientation = picture.orientation(frame)
        if not orientation.exact:
            self.warnings.append(
                f"video stream {stream.index}: turned by the nearest quarter, not by the angle it asks"
            )
        order = self._field_order(frame, times, clock)
        width, height, crop = self._size(frame)
        return VideoStream(
            index=stream.index, codec=codec_name(stream) or "", profile=stream.codec_context.profile or None,
            width=width, height=height, crop=crop, sample_aspect_ratio=self._aspect(), rotation=orientation.rotation,
            mirrored=orientation.mirrored, pixel_format=frame.format.name,
            bits=max((component.bits for component in frame.format.components), default=8), field_order=order,
            colour=picture.colour(frame), mastering=picture.mastering_display(frame),
            light=picture.content_light(frame), dolby_vision=vision, time_base=stream.time_base,
            start_pts=times.first, end_pts=times.end, frame_count=times.count, frame_rate=times.rate,
            constant_frame_rate=times.constant, keyframes=self._keyframes(times), gaps=times.gaps,
            default=bool(stream.disposition & av.stream.Disposition.default), stamping=times.stamping,
        )  # fmt: skip

    def _check_tail(self, clock: SourceClock) -> None:
        """Where a source breaks off in a packet, only decoding tells whether that one still shows something."""
        own = self._own
        if not (own.last_corrupt and own.pts) or own.unstamped:
            return
        shown: set[int | None] = set()
        with self._decoding() as (container, stream):
            context = stream.codec_context
            last = max(own.keyframes, default=None, key=attrgetter("dts"))
            for packet in chain(packets(container, stream, clock=clock, start=last), (None,)):
                try:
                    shown |= {frame.pts for frame in decode(context, packet, self._limits)}
                except av.error.FFmpegError:
                    continue
        if shown and own.pts[-1] not in shown:
            own.pts.pop()
            own.dts.pop()

    @contextmanager
    def _decoding(self) -> Iterator[tuple[av.container.InputContainer, av.video.VideoStream]]:
        """The source, opened once more, with the stream's decoder within its limits."""
        with open_source(self._file, self._limits) as container, media_errors("looking at the pictures"):
            stream = container.streams[self._stream.index]
            assert isinstance(stream, av.video.VideoStream)
            prepare(stream.codec_context, self._limits)
            yield container, stream

    def _size(self, frame: av.VideoFrame) -> tuple[int, int, tuple[int, int, int, int]]:
        """Width, height and what is cut off, where the container says so and something is left."""
        top, bottom, left, right = self._described.crop
        width, height = frame.width - left - right, frame.height - top - bottom
        if width > 0 and height > 0:
            return width, height, (top, bottom, left, right)
        return frame.width, frame.height, (0, 0, 0, 0)

    def _aspect(self) -> Fraction:
        """The container's word before the codec's, as FFmpeg has it."""
        ratio = self._stream.sample_aspect_ratio or self._stream.codec_context.sample_aspect_ratio
        return Fraction(ratio) if ratio and Fraction(1, 20) <= ratio <= 20 else Fraction(1)

    def _keyframes(self, times: PictureTimes) -> tuple[Keyframe, ...]:
        """Where decoding may begin, in the order of display."""
        known = list(self._own.keyframes)
        for number in self._own.unstamped_keyframes:
            keyframe = known[number]
            known[number] = keyframe.model_copy(update={"pts": times.stamping.packet(None, keyframe.dts)})
        return tuple(sorted(known, key=lambda keyframe: keyframe.pts))

    def _field_order(self, frame: av.VideoFrame, times: PictureTimes, clock: SourceClock) -> fields.FieldOrder:
        if codec_name(self._stream) not in _WITH_FIELDS or times.rate > _MOST_INTERLACED_RATE:
            return "progressive"
        flagged = fields.flagged_order(self._first.field_order, frame.interlaced_frame)
        if flagged == "interlaced" and codec_name(self._stream) in _BOTTOM_FIELD_FIRST:
            flagged = "bff"
        spots = [fields.weaves(spot, flagged) for spot in self._spots(clock)]
        order, telecined = fields.field_order(spots, flagged)
        if telecined:
            self.warnings.append(f"video stream {self._stream.index}: telecined film, left as it is")
        return order

    def _spots(self, clock: SourceClock) -> Iterator[list[fields.Luma]]:
        """Some consecutive pictures each, in some places of the title."""
        known = self._own.keyframes
        chosen = [known[number * len(known) // _SPOTS] for number in range(_SPOTS)] if len(known) > _SPOTS else known
        with self._decoding() as (container, stream):
            starts: list[Keyframe | None] = [*chosen] or [None]
            for start in starts:
                stream.codec_context.flush_buffers()
                yield self._pictures(container, stream, clock, start)

    def _pictures(
        self,
        container: av.container.InputContainer,
        stream: av.video.VideoStream,
        clock: SourceClock,
        start: Keyframe | None,
    ) -> list[fields.Luma]:
        found: list[fields.Luma] = []
        for number, packet in enumerate(packets(container, stream, clock=clock, start=start)):
            try:
                for frame in decode(stream.codec_context, packet, self._limits):
                    if frame.is_corrupt:
                        found.clear()  # what is mended shows nothing, nor do pictures that do not follow each other
                    else:
                        found.append(fields.luma(frame))
            except av.error.FFmpegError:
                continue
            if len(found) >= fields.SPOT_PICTURES or number >= _SPOT_PACKETS:
                break
        return found[: fields.SPOT_PICTURES]


def _farthest(starts: Sequence[int], times: PictureTimes) -> int:
    """The longest distance between two pictures to begin at, or from the last one to the end."""
    return max((after - before for before, after in pairwise(sorted([times.first, *starts, times.end]))), default=0)
