"""The probe: one pass over a source's packets gives its `MediaInfo`, with exact counts, times and keyframes.

Nothing is taken from the container's own word where the packets can tell: durations and frame counts in headers are
wrong often enough. Of each stream the first picture or sound is decoded, because only it knows the true format; some
more pictures are looked at for interlacing.
"""

from __future__ import annotations

from typing import BinaryIO

import av.container
import av.stream
import av.video

from transcoder.codecs import codec_name, is_supported
from transcoder.errors import UnsupportedMediaError
from transcoder.limits import Limits
from transcoder.media import AudioStream, MediaInfo, OtherStream, SourceClock, TextStream, VideoStream
from transcoder.probing.described import describe_streams
from transcoder.probing.encryption import check_container, check_streams
from transcoder.probing.first import First, first_frames
from transcoder.probing.sound import audio_stream
from transcoder.probing.survey import Survey, survey
from transcoder.probing.truncation import is_truncated
from transcoder.probing.video import VideoProbe
from transcoder.source import open_source
from transcoder.text.reader import describe

__all__ = ["Limits", "probe"]

_STILL = (
    av.stream.Disposition.attached_pic
    | av.stream.Disposition.timed_thumbnails
    | av.stream.Disposition.still_image
    | av.stream.Disposition.dependent
)
"""Pictures that are no video: covers, thumbnails of chapters, photographs and their tiles."""

_PHOTOGRAPHS = {"avif", "heic", "heix", "heim", "heis", "mif1"}
"""Brands of ISO base media files that hold pictures, not films: ISO/IEC 23008-12, annexes B and L."""


def probe(file: BinaryIO, limits: Limits | None = None) -> MediaInfo:
    """What a source contains. `file` is seekable and stays open.

    Errors: UnsupportedMediaError with the reason: not a known container, no streams, over a limit, encrypted, or
    without one picture or sound that can be decoded.
    """
    limits = limits or Limits()
    size = file.seek(0, 2)
    if size == 0:
        raise UnsupportedMediaError("the file is empty")
    with open_source(file, limits) as container:
        if len(container.streams) > limits.streams:
            raise UnsupportedMediaError(
                f"the source has {len(container.streams)} streams; at most {limits.streams} are allowed"
            )
        if container.metadata.get("major_brand") in _PHOTOGRAPHS:
            raise UnsupportedMediaError("the source has only a still picture")
        check_container(container)
        found = survey(container, size, limits)
        if found.timeless:
            with open_source(file, limits) as again:
                found = survey(again, size, limits, counted=True)
        check_streams(container, found, file)
        truncated = is_truncated(container, found, file, size)
    clock = SourceClock(breaks=tuple(found.clock.breaks), counted=found.clock.counted)
    with open_source(file, limits) as container:
        return _Sorter(file, container, found, clock, limits).media(size, truncated=truncated)


class _Sorter:
    """Puts each stream of a source where it belongs, and says why one is of no use."""

    def __init__(
        self,
        file: BinaryIO,
        container: av.container.InputContainer,
        found: Survey,
        clock: SourceClock,
        limits: Limits,
    ) -> None:
        self._file, self._container, self._found = file, container, found
        self._clock, self._limits = clock, limits
        self._described = describe_streams(container)
        self._warnings: list[str] = []
        self._unusable: list[str] = []
        self._video: list[VideoStream] = []
        self._audio: list[AudioStream] = []
        self._text: list[TextStream] = []
        self._other: list[OtherStream] = []

    def media(self, size: int, *, truncated: bool) -> MediaInfo:
        """Everything that the source contains. Errors: UnsupportedMediaError where nothing is of use."""
        shown = [stream for stream in self._container.streams if not self._is_still(stream)]
        usable = [stream.index for stream in shown if self._is_usable(stream)]
        first = first_frames(self._file, usable, self._clock, self._limits)
        for stream in self._container.streams:
            self._sort(stream, first.get(stream.index))
        if self._unusable and not self._video:
            # Sound alone is not what somebody expects who brings a film.
            raise UnsupportedMediaError("; ".join(self._unusable))
        if not self._video and not self._audio:
            raise UnsupportedMediaError("; ".join(self._warnings) or self._empty())
        spans = [(stream.start, stream.end) for stream in (*self._video, *self._audio)]
        start, end = min(begin for begin, _ in spans), max(end for _, end in spans)
        if end - start > self._limits.duration_seconds:
            raise UnsupportedMediaError(f"the source is longer than {self._limits.duration_seconds} seconds")
        corrupt = sum(own.corrupt for own in self._found.streams.values())
        if truncated:
            self._warnings.append("the source breaks off before its end")
        elif corrupt:
            self._warnings.append(f"{corrupt} packets of the source are damaged")
        return MediaInfo(
            container=self._container.format.name, size_bytes=size, start=start, duration=end - start,
            video=tuple(self._video), audio=tuple(self._audio), text=tuple(self._text), other=tuple(self._other),
            discontinuities=self._clock.breaks, counted=self._clock.counted, truncated=truncated,
            warnings=(*self._unusable, *self._warnings),
        )  # fmt: skip

    @staticmethod
    def _is_still(stream: av.stream.Stream) -> bool:
        return bool(stream.disposition & _STILL)

    def _is_usable(self, stream: av.stream.Stream) -> bool:
        """Whether it is worth while to decode a frame of it."""
        own = self._found.streams.get(stream.index)
        return own is not None and own.first is not None and stream.time_base is not None and is_supported(stream)

    def _sort(self, stream: av.stream.Stream, first: First | None) -> None:
        if stream.type in {"video", "audio"} and not self._is_still(stream):
            reason = self._reason(stream, first)
            if reason is None:
                return
            complaint = f"{stream.type} stream {stream.index}: {reason}"
            (self._unusable if stream.type == "video" else self._warnings).append(complaint)
        subtitles = describe(stream)
        if subtitles is not None:
            self._text.append(subtitles)
            return
        kind = "picture" if self._is_still(stream) else stream.type or "data"
        self._other.append(OtherStream(index=stream.index, kind=kind, codec=codec_name(stream)))

    def _reason(self, stream: av.stream.Stream, first: First | None) -> str | None:
        """Take a stream of pictures or sound, or say why it is of no use."""
        own = self._found.streams[stream.index]
        if own.packets == 0:
            return "it is empty"
        if not is_supported(stream):
            return f"the codec {codec_name(stream) or 'that it has'} is not supported"
        timeless = first is not None and first.stamp is None and stream.type == "audio"
        if first is None or first.frame is None or timeless:
            return "nothing in it has a time" if first is None else first.reason
        if isinstance(stream, av.video.VideoStream):
            probe = VideoProbe(self._file, stream, own, first, self._described.get(stream.index), self._limits)
            taken = probe.stream(self._clock)
            if isinstance(taken, str):
                return taken
            self._video.append(taken)
            self._warnings += probe.warnings
            return None
        heard = audio_stream(stream, own, first)
        if heard is None:
            return f"{first.sample_rate} samples a second are not supported"
        self._audio.append(heard)
        return None

    def _empty(self) -> str:
        pictures = any(stream.type == "video" and self._is_still(stream) for stream in self._container.streams)
        return "the source has only a still picture" if pictures else "the source has no picture and no sound"
