"""The planner: where segments and chunks begin and end. Pure, append-only, exact.

Segments are the unit of delivery: 1, 1, 2, then 4 s, so that the first picture comes soon. Chunks are the unit
of work: contiguous whole segments, one at first, then 2, 4 and 8, and small again at the tail so that all
workers end together (guided self-scheduling: Polychronopoulos and Kuck, 1987).

Boundaries are multiples of a quarter segment in whole frames of the nominal rate: on a constant-rate source each
boundary is exactly a frame's time (4.004 s at 30000/1001), and on any source a frame belongs to the segment that
its own time falls into. A boundary that would lie where the source shows no new picture for a while moves to the next
picture, so that no segment is without one: the segment before is longer then. All times are seconds of the title as
fractions; the title starts at 0.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

from pydantic import Field

from transcoder.colour import BT709, peak_luminance
from transcoder.documents import Document
from transcoder.errors import UnsupportedMediaError
from transcoder.ladder import Deinterlacing, Ladder, QualityRequest, Rendition, resolve, source_colour
from transcoder.media import Colour, MediaInfo, SourceClock, Stamping, VideoStream
from transcoder.packaging.drm import Encryption, KeyClass, key_class
from transcoder.sound.tracks import AudioTrack, audio_tracks
from transcoder.text.track import TextTrack, text_tracks
from transcoder.thumbnails.sheets import Thumbnails, plan_thumbnails
from transcoder.trick import TRICK, trick_rung

__all__ = ["Chunk", "Plan", "Segment", "VideoTrack", "extend", "plan_title"]

RAMP = (1, 1, 2)
"""Lengths of the first segments, in quarters of the full length."""

QUARTERS = 4
"""Quarters in a full segment."""

SINGLE_CHUNKS = 4
"""So many chunks at the start hold one segment each."""

LONGEST_SEGMENT_SECONDS = 30
"""So long a segment may wait for the source's next picture. After that, the picture that is shown begins a new one."""

COARSEST_TIMESCALE, FINEST_TIMESCALE = 1000, 10_000_000
"""Ticks a second of a title. Players are happiest with a fine clock, but a sample's duration has 32 bits (ISO/IEC
14496-12, 8.8.8): at 10 MHz that is seven minutes, more than the longest segment."""

LARGEST_CHUNK = 8
"""Segments in the largest chunk: 32 s at 4 s a segment, which bounds what a lost attempt costs."""


class Segment(Document):
    """Half-open span [start, end) of the title, in seconds. Numbers start at 1, as DASH's do."""

    number: int
    start: Fraction
    end: Fraction


class Chunk(Document):
    """A contiguous run of whole segments: what one chunk task decodes once and encodes for every rung.

    `before` is how many seconds the chunk before it lasts; 0 for the first one.
    """

    index: int
    segments: tuple[Segment, ...]
    before: Fraction = Fraction(0)

    @property
    def start(self) -> Fraction:
        """Seconds of the title at which the chunk begins."""
        return self.segments[0].start

    @property
    def end(self) -> Fraction:
        """Seconds of the title at which the chunk ends, exclusive."""
        return self.segments[-1].end


class VideoTrack(Document):
    """How the source's pictures become the title's.

    `frame_count` is how many the title has when none is lost. Where the ladder asks for a constant rate,
    `ticks_per_picture` is how many ticks of `timescale` (ticks per second) each is shown; else it is None, and each
    picture keeps its time.
    """

    stream_index: int
    origin_pts: int
    time_base: Fraction
    timescale: int
    frame_rate: Fraction
    frame_count: int
    renditions: tuple[Rendition, ...]
    ticks_per_picture: int | None = None
    stamping: Stamping = Stamping()
    clock: SourceClock = Field(default=SourceClock(), description="what the source's packets are read with")
    colour: Colour = Field(default=BT709, description="what a picture means that does not say")
    peak_luminance: int = Field(default=1000, description="the brightest light of a PQ source in cd/m2")
    crop: tuple[int, int, int, int] = Field(
        default=(0, 0, 0, 0), description="cut off first: pixels at the top, bottom, left, right"
    )
    rotation: int = Field(default=0, description="degrees clockwise, after the flip")
    mirrored: bool = Field(default=False, description="flipped left to right")
    deinterlace: Literal["tff", "bff", "auto"] | None = Field(
        default=None, description="which field of a picture is the earlier one; auto: the picture says"
    )
    quality: QualityRequest = Field(default=QualityRequest(), description="what is measured, and the least of it")

    trick: str | None = Field(default=None, description="the rendition whose keyframes make one of their own")

    def seconds(self, pts: int) -> Fraction:
        """Where in the title a source pts lies."""
        return (pts - self.origin_pts) * self.time_base

    def tick(self, pts: int) -> int:
        """The tick of a source pts. Exact where times are kept, but for a source clock finer than any title's."""
        return math.ceil(self.seconds(pts) * self.timescale)

    def pts(self, seconds: Fraction) -> int:
        """The first source pts that is not before a time of the title."""
        return self.origin_pts + math.ceil(seconds / self.time_base)

    def shown_pts(self, seconds: Fraction) -> int:
        """The last source pts that is not after a time of the title."""
        return self.origin_pts + math.floor(seconds / self.time_base)

    def frames(self, *, lost: int, repeated: int) -> int:
        """How many pictures the title has where so many were lost and others are there a second time."""
        return self.frame_count if self.ticks_per_picture else self.frame_count - lost + repeated


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
    thumbnails: Thumbnails | None = None
    chunks: tuple[Chunk, ...]
    ended: bool
    encryption: Encryption | None = None

    @property
    def key_classes(self) -> tuple[tuple[str, KeyClass], ...]:
        """Every rendition's id, and the class of the content key that encrypts it where the package is encrypted."""
        rungs = self.video.renditions if self.video else ()
        pictures = tuple((own.id, key_class(own.width, own.height)) for own in rungs)
        trick = tuple((TRICK, kind) for rung, kind in pictures if self.video and rung == self.video.trick)
        # At the end: what comes before keeps its place, and so its IVs, whether there is a trick rendition or not.
        return (*pictures, *((own.id, "audio") for track in self.audio for own in track.renditions), *trick)

    @property
    def length(self) -> Fraction:
        """Seconds of the title until nothing is shown or heard any more: the sound may outlast the picture."""
        return max((self.duration, *(track.end for track in self.audio)))

    @property
    def segments(self) -> tuple[Segment, ...]:
        """All planned segments in order."""
        return tuple(segment for chunk in self.chunks for segment in chunk.segments)

    @property
    def longest_segment(self) -> Fraction:
        """Seconds of the longest segment that is planned, or would be of a source without gaps."""
        return max((self.segment_duration, *(segment.end - segment.start for segment in self.segments)))

    def following(self, chunk: Chunk) -> Segment | None:
        """The segment after a chunk; None where the title ends with it."""
        index = chunk.index + 1
        return self.chunks[index].segments[0] if index < len(self.chunks) else None


def quarter(frame_rate: Fraction, segment_seconds: int) -> Fraction:
    """Seconds of a quarter segment: a whole number of frames, at least one."""
    frames = max(1, round(frame_rate * segment_seconds / QUARTERS))
    return Fraction(frames) / frame_rate


def _segment_quarters(number: int) -> int:
    return RAMP[number - 1] if number <= len(RAMP) else QUARTERS


Gap = tuple[Fraction, Fraction]
"""Seconds of the title at which two neighbouring pictures begin to be shown."""


def extend(
    chunks: Sequence[Chunk],
    step: Fraction,
    known_until: Fraction,
    *,
    ended: bool,
    slots: int,
    gaps: Sequence[Gap] = (),
) -> tuple[Chunk, ...]:
    """The chunks that can be added to a plan now. Nothing that was planned before ever changes.

    `step` is the quarter segment in seconds, `known_until` how far the source is known (its end when `ended`, else
    where its last known picture begins), `slots` how many chunk tasks run at once. `gaps` are the known ones in order;
    the last one of an ended source may reach from its last picture to its end. While the end is not known, only
    chunks that lie wholly in the known part are added; the last segment may be short, and is never empty.
    """
    position = chunks[-1].end if chunks else Fraction(0)
    number = chunks[-1].segments[-1].number + 1 if chunks else 1
    segments: list[Segment] = []
    while position < known_until:
        end = _next_picture(position, position + step * _segment_quarters(number), step, gaps)
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
        previous = added[-1] if added else chunks[-1] if chunks else None
        before = previous.end - previous.start if previous else Fraction(0)
        added.append(Chunk(index=index, segments=tuple(segments[:size]), before=before))
        del segments[:size]
    return tuple(added)


def _next_picture(start: Fraction, end: Fraction, step: Fraction, gaps: Sequence[Gap]) -> Fraction:
    """Where a segment ends that would end at `end`: in a gap with the next picture, unless that is too far away."""
    index = bisect_left(gaps, (end, end)) - 1
    if index < 0 or gaps[index][1] <= end:
        return end
    longest = max(end, start + step * (LONGEST_SEGMENT_SECONDS // step))
    return min(gaps[index][1], longest)


def _timescale(time_base: Fraction) -> int:
    """Ticks per second for times in `time_base`: a multiple of its denominator, unless that is too fine."""
    scale = time_base.denominator
    if scale > FINEST_TIMESCALE:
        return FINEST_TIMESCALE
    return scale if scale >= COARSEST_TIMESCALE else scale * math.ceil(10 * COARSEST_TIMESCALE / scale)


def _video_track(media: MediaInfo, ladder: Ladder, stream: VideoStream, frame_rate: Fraction | None) -> VideoTrack:
    """`frame_rate` is the constant rate that the ladder asks for, or None."""
    rate, count, ticks, timescale = stream.frame_rate, stream.frame_count, None, _timescale(stream.time_base)
    if frame_rate is not None:
        rate, timescale = frame_rate, _timescale(1 / frame_rate)
        # As FFmpeg's `fps` filter ends: rounded to the nearest picture.
        count = max(1, math.floor((stream.end - stream.start) * rate + Fraction(1, 2)))
        ticks = int(timescale / rate)
    return VideoTrack(
        colour=source_colour(stream), peak_luminance=peak_luminance(stream.mastering, stream.light),
        crop=stream.crop, rotation=stream.rotation, mirrored=stream.mirrored,
        deinterlace=_deinterlace(ladder.deinterlace, stream),
        stream_index=stream.index, origin_pts=stream.start_pts, time_base=stream.time_base, timescale=timescale,
        frame_rate=rate, frame_count=count, renditions=resolve(ladder, media), ticks_per_picture=ticks,
        clock=media.clock, stamping=stream.stamping, quality=ladder.quality,
    )  # fmt: skip


def _deinterlace(asked: Deinterlacing, stream: VideoStream) -> Literal["tff", "bff", "auto"] | None:
    """How to deinterlace a stream: by the order of its fields as it was found, or by each picture's own word."""
    order: dict[str, Literal["tff", "bff", "auto"]] = {"tff": "tff", "bff": "bff", "interlaced": "auto"}
    return None if asked == "never" else order.get(stream.field_order, "auto" if asked == "always" else None)


def plan_title(media: MediaInfo, ladder: Ladder, *, slots: int) -> Plan:
    """The whole plan of a source whose end is known. A source of sound alone becomes a title without a picture.

    The title lasts as long as the picture; where the sound goes on for more than a segment after it, the last picture
    is shown until the sound ends.

    Errors: UnsupportedMediaError where there is nothing to encode, or a video stream without one picture.
    """
    stream = media.main_video
    broken = any(other.kind == "video" for other in media.other)
    if stream is None and media.audio and not broken:
        return _plan_sound(media, ladder, slots=slots)
    if stream is None or stream.frame_count == 0:
        raise UnsupportedMediaError("the source has no video frames")
    asked = None if ladder.frame_rate == "source" else ladder.frame_rate
    track = _video_track(media, ladder, stream, asked)
    step = min(quarter(track.frame_rate, ladder.segment_seconds), Fraction(LONGEST_SEGMENT_SECONDS, QUARTERS))
    shown = Fraction(track.frame_count) / track.frame_rate if asked else stream.end - stream.start
    heard = max((audio.end - stream.start for audio in media.audio), default=Fraction(0))
    duration = heard if heard - shown > step * QUARTERS else shown
    if asked:
        # The picture must not end between two pictures of the rate.
        count = math.ceil(duration * asked)
        track, duration = track.model_copy(update={"frame_count": count}), count / asked
    if ladder.trick:
        track = track.model_copy(update={"trick": trick_rung(track.renditions, duration)})
    gaps = () if asked else tuple((track.seconds(before), track.seconds(after)) for before, after in stream.gaps)
    return Plan(
        origin=stream.start, segment_duration=step * QUARTERS, duration=duration, video=track,
        audio=audio_tracks(media, ladder.audio, stream.start, ladder.loudness),
        text=text_tracks(media) if ladder.text else (),
        thumbnails=plan_thumbnails(ladder.sprites, stream.display_size, duration),
        chunks=extend((), step, duration, ended=True, slots=slots, gaps=gaps), ended=True,
    )  # fmt: skip


def _plan_sound(media: MediaInfo, ladder: Ladder, *, slots: int) -> Plan:
    """The plan of a title without a picture: the grid is that of whole seconds, over the sound of all tracks."""
    origin, end = min(audio.start for audio in media.audio), max(audio.end for audio in media.audio)
    if end <= origin:
        raise UnsupportedMediaError("the source has neither a picture nor a sound")
    step = Fraction(ladder.segment_seconds, QUARTERS)
    return Plan(
        origin=origin, segment_duration=step * QUARTERS, duration=end - origin, video=None,
        audio=audio_tracks(media, ladder.audio_only, origin, ladder.loudness),
        text=text_tracks(media) if ladder.text else (),
        chunks=extend((), step, end - origin, ended=True, slots=slots), ended=True,
    )  # fmt: skip
