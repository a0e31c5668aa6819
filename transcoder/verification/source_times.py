"""The times of the source's pictures, by a decoder that reads all of it once; the package must have exactly these.

Nothing of the planner's or the chunk encoder's has a part in it: no keyframe is sought, nothing is cut. What the probe
found is taken for what makes stamps comparable at all: the breaks of the source's clock, and what a stamp means.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from typing import Any, BinaryIO

import av
import av.error
import av.video
import av.video.codeccontext
from av.packet import Packet

from transcoder.limits import Limits
from transcoder.media import MediaInfo, VideoStream
from transcoder.source import media_errors, open_source, packets
from transcoder.timing import in_order
from transcoder.verification.report import Findings, in_seconds
from transcoder.verification.title import PublishedTitle, SourceTimes
from transcoder.verification.track import Track

__all__ = ["check_source_times", "read_source_times"]

_LONGEST_LAST_PICTURE_SECONDS = 1
"""How much longer than to its last picture's time a source may last."""


def read_source_times(
    file: BinaryIO, media: MediaInfo, limits: Limits, rate: Fraction | None = None
) -> SourceTimes | None:
    """Decode the main video stream of a source in full, in one thread; None where it has none.

    `rate` is the constant rate that the ladder asked for. Memory: eight bytes a picture, and what the decoder needs.

    Errors: UnsupportedMediaError where the source cannot be read.
    """
    stream = media.main_video
    if stream is None:
        return None
    with open_source(file, limits) as container, media_errors("decoding the source"):
        video = container.streams[stream.index]
        assert isinstance(video, av.video.VideoStream)
        context = video.codec_context
        context.thread_count = 1
        read = packets(container, video, clock=media.clock)
        shown = in_order((stamp, None) for stamp in _stamps(read, stream, context))
        times = array("q", (stamp for stamp, _ in shown if stamp >= stream.start_pts))
    return SourceTimes(stream.time_base, times, rate)


def _stamps(
    read: Iterator[Packet[Any]], stream: VideoStream, context: av.video.codeccontext.VideoCodecContext
) -> Iterator[int]:
    """When each picture that the decoder yields is to be shown."""
    for packet in chain(read, (None,)):
        try:
            frames = context.decode(packet)
        except av.error.MemoryError:
            raise
        except av.error.FFmpegError:
            continue
        for frame in frames:
            stamp = stream.stamping.picture(frame.pts, frame.dts)
            if stamp is not None:
                yield stamp


def check_source_times(title: PublishedTitle, findings: Findings) -> None:
    """Where the source is there: every rung shows its pictures, all of them and no others, at their own times."""
    source = title.source
    if source is None:
        return
    for track in title.video:
        if source.rate is None:
            expected, problems = f"the source's {len(source.pts)} pictures at their times", _moved(source, track)
        else:
            expected, problems = f"pictures at every 1/{source.rate} s", _uneven(source, source.rate, track)
        findings.none_of("source-times", track.id, expected, problems)


def _moved(source: SourceTimes, track: Track) -> Iterator[str]:
    """A picture may be there a second time where a segment begins while the source shows nothing new."""
    first, starts = source.pts[0] if source.pts else 0, {segment.start for segment in track.segments}
    expected = dict.fromkeys(math.ceil((pts - first) * source.time_base * track.timescale) for pts in source.pts)
    remaining = iter(expected)
    following = next(remaining, None)
    for tick in sorted(track.pts):
        if tick == following:
            following = next(remaining, None)
        elif tick not in starts or (following is not None and tick > following):
            yield f"a picture at {_at(tick, track)}, the source's next is at {_at(following, track)}"
            return
    if following is not None:
        yield f"no picture for the source's at {_at(following, track)}"


def _uneven(source: SourceTimes, rate: Fraction, track: Track) -> Iterator[str]:
    """Picture n is at n / rate; there are as many as the source lasts."""
    for number, tick in enumerate(sorted(track.pts)):
        if tick != math.ceil(number / rate * track.timescale):
            yield f"picture {number} at {_at(tick, track)}"
            return
    shown = (source.pts[-1] - source.pts[0]) * source.time_base if source.pts else Fraction(0)
    if abs(track.end - shown) > _LONGEST_LAST_PICTURE_SECONDS:
        yield f"the pictures end at {in_seconds(track.end)}, the source's last is at {in_seconds(shown)}"


def _at(tick: int | None, track: Track) -> str:
    return "its end" if tick is None else in_seconds(Fraction(tick, track.timescale))
