"""The planner: where segments and chunks begin and end. Pure, append-only, exact.

Segments are the unit of delivery: 1, 1, 2, then 4 s, so that the first picture comes soon. Chunks are the unit
of work: contiguous whole segments, one at first, then 2, 4 and 8, and small again at the tail so that all
workers end together (guided self-scheduling: Polychronopoulos and Kuck, 1987).

Boundaries are multiples of a quarter segment in whole frames of the nominal rate: on a constant-rate source each
boundary is exactly a frame's time (4.004 s at 30000/1001), and on any source a frame belongs to the segment that
its own time falls into. All times are seconds of the title as fractions; the title starts at 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from transcoder.documents import Document
from transcoder.errors import UnsupportedMediaError
from transcoder.ladder import AudioRung, Ladder, Rendition, resolve
from transcoder.media import MediaInfo, VideoStream
from transcoder.packaging.drm import Encryption, KeyClass, key_class
from transcoder.text.track import TextTrack, text_tracks

__all__ = ["AudioTrack", "Chunk", "Plan", "Segment", "VideoTrack", "extend", "plan_title"]

RAMP = (1, 1, 2)
"""Lengths of the first segments, in quarters of the full length."""

QUARTERS = 4
"""Quarters in a full segment."""

SINGLE_CHUNKS = 4
"""So many chunks at the start hold one segment each."""

LONGEST_STEP_SECONDS = 60
"""The longest quarter segment: a source that shows fewer pictures than one in this time cannot be cut."""

LONGEST_TAIL_SECONDS = 600
"""So long the sound may go on when the picture has ended: all of it lies in the last segment."""

LARGEST_CHUNK = 8
"""Segments in the largest chunk: 32 s at 4 s a segment, which bounds what a lost attempt costs."""


class Segment(Document):
    """Half-open span [start, end) of the title, in seconds. Numbers start at 1, as DASH's do."""

    number: int
    start: Fraction
    end: Fraction


class Chunk(Document):
    """A contiguous run of whole segments: what one chunk task decodes once and encodes for every rung."""

    index: int
    segments: tuple[Segment, ...]

    @property
    def start(self) -> Fraction:
        """Seconds of the title at which the chunk begins."""
        return self.segments[0].start

    @property
    def end(self) -> Fraction:
        """Seconds of the title at which the chunk ends, exclusive."""
        return self.segments[-1].end


class VideoTrack(Document):
    """How the source's video maps to the title.

    A source pts p is tick (p - origin_pts) * ticks_per_pts of `timescale` (ticks per second): an integer
    product, so no time is ever rounded.
    """

    stream_index: int
    origin_pts: int
    time_base: Fraction
    timescale: int
    ticks_per_pts: int
    frame_rate: Fraction
    frame_count: int
    renditions: tuple[Rendition, ...]


class AudioTrack(Document):
    """One audio track of the title. `offset` is where the source's first sample lies, `end` where its last one ends,
    both in title seconds: a codec's last packet may hold more, which is padding.
    """

    track: int
    id: str
    stream_index: int
    codec: str
    bitrate: int
    channels: int
    sample_rate: int
    language: str | None
    title: str | None
    default: bool
    offset: Fraction
    end: Fraction


class Plan(Document):
    """All decisions about a title, pinned: a retry or another node makes the same.

    `origin` is the source's time, in seconds, at which the title starts: that of the first picture, or of the first
    sound where the title has no picture (`video` is None then).
    """

    origin: Fraction
    segment_duration: Fraction
    duration: Fraction
    video: VideoTrack | None
    audio: tuple[AudioTrack, ...]
    text: tuple[TextTrack, ...] = ()
    chunks: tuple[Chunk, ...]
    ended: bool
    encryption: Encryption | None = None

    @property
    def key_classes(self) -> tuple[tuple[str, KeyClass], ...]:
        """Every rendition's id, and the class of the content key that encrypts it where the package is encrypted."""
        rungs = self.video.renditions if self.video else ()
        pictures = tuple((own.id, key_class(own.width, own.height)) for own in rungs)
        return (*pictures, *((track.id, "audio") for track in self.audio))

    @property
    def length(self) -> Fraction:
        """Seconds of the title until nothing is shown or heard any more: the sound may outlast the picture."""
        return max((self.duration, *(track.end for track in self.audio)))

    @property
    def segments(self) -> tuple[Segment, ...]:
        """All planned segments in order."""
        return tuple(segment for chunk in self.chunks for segment in chunk.segments)


def quarter(frame_rate: Fraction, segment_seconds: int) -> Fraction:
    """Seconds of a quarter segment: a whole number of frames, at least one."""
    frames = max(1, round(frame_rate * segment_seconds / QUARTERS))
    return Fraction(frames) / frame_rate


def _segment_quarters(number: int) -> int:
    return RAMP[number - 1] if number <= len(RAMP) else QUARTERS


def extend(
    chunks: Sequence[Chunk], step: Fraction, known_until: Fraction, *, ended: bool, slots: int
) -> tuple[Chunk, ...]:
    """The chunks that can be added to a plan now. Nothing that was planned before ever changes.

    `step` is the quarter segment in seconds, `known_until` how far the source is known (its end when `ended`),
    `slots` how many chunk tasks run at once. While the end is not known, only chunks that lie wholly in
    the known part are added; the last segment of an ended source may be short, and is never empty.
    """
    position = chunks[-1].end if chunks else Fraction(0)
    number = chunks[-1].segments[-1].number + 1 if chunks else 1
    segments: list[Segment] = []
    while position < known_until:
        end = position + step * _segment_quarters(number)
        if end > known_until and not ended:
            break
        segments.append(Segment(number=number, start=position, end=min(end, known_until)))
        position, number = end, number + 1
    added: list[Chunk] = []
    while segments:
        index = len(chunks) + len(added)
        size = min(LARGEST_CHUNK, 2 ** max(0, index - SINGLE_CHUNKS + 1))
        if ended:
            size = min(size, max(1, math.ceil(len(segments) / (2 * slots))))
        elif size > len(segments):
            break
        added.append(Chunk(index=index, segments=tuple(segments[:size])))
        del segments[:size]
    return tuple(added)


def _video_track(stream: VideoStream, renditions: tuple[Rendition, ...]) -> VideoTrack:
    scale, unit = stream.time_base.denominator, stream.time_base.numerator
    # Players and packagers are happiest with a fine clock; a multiple keeps every source time an integer.
    factor = 1 if scale >= 1000 else math.ceil(Fraction(10_000, scale))
    return VideoTrack(
        stream_index=stream.index, origin_pts=stream.start_pts, time_base=stream.time_base,
        timescale=scale * factor, ticks_per_pts=unit * factor, frame_rate=stream.frame_rate,
        frame_count=stream.frame_count, renditions=renditions,
    )  # fmt: skip


def _audio_tracks(media: MediaInfo, rung: AudioRung, origin: Fraction) -> tuple[AudioTrack, ...]:
    chosen = next((s.index for s in media.audio if s.default), media.audio[0].index if media.audio else None)
    return tuple(
        AudioTrack(
            track=track, id=f"a{track}", stream_index=stream.index, codec=rung.codec, bitrate=rung.bitrate,
            channels=min(rung.channels, max(1, stream.channels)), sample_rate=rung.sample_rate,
            language=stream.language, title=stream.title, default=stream.index == chosen,
            offset=stream.start - origin, end=stream.end - origin,
        )
        for track, stream in enumerate(media.audio)
    )  # fmt: skip


def plan_title(media: MediaInfo, ladder: Ladder, *, slots: int) -> Plan:
    """The whole plan of a source whose end is known. A source of sound alone becomes a title without a picture.

    Errors: UnsupportedMediaError where there is nothing to encode, where there is a video stream without one picture,
    where pictures are more than a minute apart, or where the sound goes on for more than ten minutes after the picture.
    """
    stream = media.main_video
    broken = any(other.kind == "video" for other in media.other)
    if stream is None and media.audio and not broken:
        return _plan_sound(media, ladder, slots=slots)
    if stream is None or stream.frame_count == 0:
        raise UnsupportedMediaError("the source has no video frames")
    track = _video_track(stream, resolve(ladder, media))
    duration = (stream.end_pts - stream.start_pts) * stream.time_base
    step = quarter(stream.frame_rate, ladder.segment_seconds)
    if step > LONGEST_STEP_SECONDS:
        raise UnsupportedMediaError(f"the source has fewer than one picture in {LONGEST_STEP_SECONDS} seconds")
    tail = max((audio.end - stream.end for audio in media.audio), default=Fraction(0))
    if tail > LONGEST_TAIL_SECONDS:
        raise UnsupportedMediaError(
            f"the sound goes on for {float(tail):.0f} s after the picture; at most {LONGEST_TAIL_SECONDS} s are allowed"
        )
    return Plan(
        origin=stream.start, segment_duration=step * QUARTERS, duration=duration, video=track,
        audio=_audio_tracks(media, ladder.audio, stream.start), text=text_tracks(media),
        chunks=extend((), step, duration, ended=True, slots=slots), ended=True,
    )  # fmt: skip


def _plan_sound(media: MediaInfo, ladder: Ladder, *, slots: int) -> Plan:
    """The plan of a title without a picture: the grid is that of whole seconds, over the sound of all tracks."""
    origin, end = min(audio.start for audio in media.audio), max(audio.end for audio in media.audio)
    if end <= origin:
        raise UnsupportedMediaError("the source has neither a picture nor a sound")
    step = Fraction(ladder.segment_seconds, QUARTERS)
    return Plan(
        origin=origin, segment_duration=step * QUARTERS, duration=end - origin, video=None,
        audio=_audio_tracks(media, ladder.audio, origin), text=text_tracks(media),
        chunks=extend((), step, end - origin, ended=True, slots=slots), ended=True,
    )  # fmt: skip
