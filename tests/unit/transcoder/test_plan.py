"""The planner: properties over any source, and the exact lengths of the usual ones."""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcoder.chunk import seek_points
from transcoder.errors import UnsupportedMediaError
from transcoder.ladder import BUILT_IN
from transcoder.media import AudioStream, Keyframe, MediaInfo, OtherStream, VideoStream
from transcoder.plan import LARGEST_CHUNK, LONGEST_SEGMENT_SECONDS, Chunk, extend, plan_title, quarter

RATES = st.one_of(
    st.sampled_from([Fraction(24000, 1001), Fraction(30000, 1001), Fraction(60000, 1001), Fraction(25), Fraction(24)]),
    st.fractions(min_value=Fraction(1, 10), max_value=240, max_denominator=1001),
)
DURATIONS = st.fractions(min_value=Fraction(1, 1000), max_value=4000, max_denominator=90_000)


def media(rate: Fraction, frames: int, *, start_pts: int = 0) -> MediaInfo:
    base = 1 / rate / 1000
    stream = VideoStream(
        index=0, codec="h264", width=1920, height=1080, pixel_format="yuv420p", time_base=base, start_pts=start_pts,
        end_pts=start_pts + 1000 * frames, frame_count=frames, frame_rate=rate, constant_frame_rate=True,
    )  # fmt: skip
    return MediaInfo(
        container="mp4", size_bytes=1, start=stream.start, duration=stream.end - stream.start, video=(stream,)
    )


def check_cover(chunks: tuple[Chunk, ...], end: Fraction) -> None:
    segments = [segment for chunk in chunks for segment in chunk.segments]
    assert segments[0].start == 0
    assert segments[-1].end == end
    assert all(a.end == b.start for a, b in pairwise(segments))
    assert all(segment.start < segment.end for segment in segments)
    assert [segment.number for segment in segments] == list(range(1, len(segments) + 1))
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))


@given(rate=RATES, duration=DURATIONS, seconds=st.integers(1, 10), slots=st.integers(1, 500))
def test_chunks_cover_any_title_exactly_once(rate: Fraction, duration: Fraction, seconds: int, slots: int) -> None:
    chunks = extend((), quarter(rate, seconds), duration, ended=True, slots=slots)
    check_cover(chunks, duration)
    assert all(1 <= len(chunk.segments) <= LARGEST_CHUNK for chunk in chunks)


@given(rate=RATES, steps=st.lists(st.fractions(0, 100, max_denominator=1000), max_size=8), last=DURATIONS)
def test_a_plan_only_ever_grows(rate: Fraction, steps: list[Fraction], last: Fraction) -> None:
    step, known = quarter(rate, 4), Fraction(0)
    chunks: tuple[Chunk, ...] = ()
    for more in steps:
        known += more
        added = extend(chunks, step, known, ended=False, slots=2)
        assert all(chunk.end <= known for chunk in added)
        chunks += added
    chunks += extend(chunks, step, known + last, ended=True, slots=2)
    check_cover(chunks, known + last)


PICTURES = st.lists(st.fractions(Fraction(1, 240), 50, max_denominator=240), min_size=1, max_size=40).map(
    lambda steps: list(accumulate(steps, initial=Fraction(0)))
)
"""When pictures are shown, in seconds; the last time is the source's end."""


def gaps_of(times: list[Fraction]) -> list[tuple[Fraction, Fraction]]:
    return [(a, b) for a, b in pairwise(times) if b - a > Fraction(1, 5) or b == times[-1]]


@given(rate=RATES, times=PICTURES, seconds=st.integers(1, 10), slots=st.integers(1, 500))
def test_every_segment_has_a_picture(rate: Fraction, times: list[Fraction], seconds: int, slots: int) -> None:
    step = min(quarter(rate, seconds), Fraction(LONGEST_SEGMENT_SECONDS, 4))
    chunks = extend((), step, times[-1], ended=True, slots=slots, gaps=gaps_of(times))
    check_cover(chunks, times[-1])
    # Only in a gap that is about as long as the longest segment, or longer, a segment begins without a picture.
    endless = [(a, b) for a, b in gaps_of(times) if b - a > LONGEST_SEGMENT_SECONDS - 5 * step]
    for segment in (segment for chunk in chunks for segment in chunk.segments):
        length = segment.end - segment.start
        own = any(segment.start <= time < segment.end for time in times[:-1])
        assert own or any(a < segment.start and segment.end <= b for a, b in endless)
        waited = any(a < segment.end <= b for a, b in gaps_of(times))
        assert length <= 4 * step or (waited and length <= LONGEST_SEGMENT_SECONDS)


@given(rate=RATES, times=PICTURES, slots=st.integers(1, 500), cut=st.lists(st.integers(1, 39), max_size=6))
def test_a_plan_made_in_pieces_is_the_same(rate: Fraction, times: list[Fraction], slots: int, cut: list[int]) -> None:
    """What is planned while a source grows, with the gaps that are known by then, is planned at once with all of it."""
    step = min(quarter(rate, 4), Fraction(LONGEST_SEGMENT_SECONDS, 4))
    pictures = times[:-1]
    chunks: tuple[Chunk, ...] = ()
    for known in sorted(number for number in cut if number < len(pictures)):
        gaps = [(a, b) for a, b in pairwise(pictures[: known + 1]) if b - a > Fraction(1, 5)]
        chunks += extend(chunks, step, pictures[known], ended=False, slots=slots, gaps=gaps)
    at_once = extend((), step, pictures[-1], ended=False, slots=slots, gaps=gaps_of(times)[:-1])
    assert at_once[: len(chunks)] == chunks
    last = extend(chunks, step, times[-1], ended=True, slots=slots, gaps=gaps_of(times))
    check_cover(chunks + last, times[-1])
    segments = [segment for chunk in chunks + last for segment in chunk.segments]
    whole = extend((), step, times[-1], ended=True, slots=slots, gaps=gaps_of(times))
    assert segments == [segment for chunk in whole for segment in chunk.segments]


@given(rate=RATES, duration=DURATIONS)
def test_boundaries_are_frames_of_the_nominal_rate(rate: Fraction, duration: Fraction) -> None:
    chunks = extend((), quarter(rate, 4), duration, ended=True, slots=2)
    boundaries = [segment.start for chunk in chunks for segment in chunk.segments]
    assert all((boundary * rate).denominator == 1 for boundary in boundaries)


@given(times=st.lists(st.integers(-5000, 70_000), unique=True, max_size=40), start=st.integers(-5000, 5000))
def test_decoding_begins_at_the_keyframes_before_a_chunk(times: list[int], start: int) -> None:
    info = media(Fraction(25), 60 * 25, start_pts=start)
    stream = info.main_video
    assert stream is not None
    keyframes = tuple(Keyframe(pts=pts, dts=pts - 2) for pts in sorted(times))
    plan = plan_title(info, BUILT_IN["h264"], slots=2)
    assert plan.video is not None
    for chunk in plan.chunks:
        found = seek_points(stream.model_copy(update={"keyframes": keyframes}), plan.video, chunk)
        before = [keyframe for keyframe in keyframes if plan.video.seconds(keyframe.pts) <= chunk.start]
        assert list(found) == (before[::-1][: len(found)] if chunk.index else [])
        assert found or not before or not chunk.index


@pytest.mark.parametrize(
    ("rate", "second"),
    [
        (Fraction(25), Fraction(1)),
        (Fraction(24), Fraction(1)),
        (Fraction(30000, 1001), Fraction(1001, 1000)),
        (Fraction(24000, 1001), Fraction(1001, 1000)),
    ],
)
def test_segments_last_1_1_2_then_4_seconds(rate: Fraction, second: Fraction) -> None:
    planned = plan_title(media(rate, 60 * round(rate)), BUILT_IN["h264"], slots=2)
    assert [segment.end - segment.start for segment in planned.segments[:5]] == [n * second for n in (1, 1, 2, 4, 4)]


def test_chunks_ramp_up_and_end_together() -> None:
    planned = plan_title(media(Fraction(25), 25 * 600), BUILT_IN["h264"], slots=4)
    sizes = [len(chunk.segments) for chunk in planned.chunks]
    assert sizes[:7] == [1, 1, 1, 1, 2, 4, 8]
    assert sizes[-4:] == [1, 1, 1, 1]
    assert max(sizes) == 8


def test_a_rate_that_rounds_to_nothing_still_has_whole_frames() -> None:
    planned = plan_title(media(Fraction(1, 2), 30), BUILT_IN["h264"], slots=2)
    assert planned.segment_duration == 8
    assert planned.duration == 60


def test_ticks_are_integers_for_every_source_time() -> None:
    stream = media(Fraction(24), 240).main_video
    assert stream is not None
    for base in (Fraction(1, 24), Fraction(1001, 30000), Fraction(1, 1000), Fraction(1, 90000), Fraction(1001, 60000)):
        odd = stream.model_copy(update={"time_base": base, "end_pts": 240, "start_pts": 0})
        source = MediaInfo(container="x", size_bytes=1, start=Fraction(0), duration=odd.end, video=(odd,))
        track = plan_title(source, BUILT_IN["h264"], slots=1).video
        assert track is not None
        assert all(Fraction(track.tick(pts), track.timescale) == pts * base for pts in range(240))
        assert track.timescale >= 1000


def sound(*, other: tuple[OtherStream, ...] = ()) -> MediaInfo:
    """Two tracks that start and end apart, and no picture."""
    base = Fraction(1, 48_000)
    tracks = tuple(
        AudioStream(
            index=index, codec="aac", sample_rate=48_000, channels=2, layout="stereo", time_base=base,
            start_pts=start, end_pts=start + 480_000,
        )
        for index, start in enumerate((4_800, -4_800))
    )  # fmt: skip
    return MediaInfo(
        container="mp4", size_bytes=1, start=tracks[1].start, duration=Fraction(102, 10), audio=tracks, other=other
    )


def test_a_source_of_sound_alone_has_a_grid_of_its_own() -> None:
    planned = plan_title(sound(other=(OtherStream(index=2, kind="picture"),)), BUILT_IN["h264"], slots=2)
    assert planned.video is None
    assert (planned.origin, planned.duration) == (Fraction(-1, 10), Fraction(102, 10))
    assert [track.offset for track in planned.audio] == [Fraction(1, 5), 0]
    assert [segment.end for chunk in planned.chunks for segment in chunk.segments] == [1, 2, 4, 8, Fraction(102, 10)]


def test_a_video_stream_without_a_picture_does_not_become_sound_alone() -> None:
    with pytest.raises(UnsupportedMediaError, match="no video frames"):
        plan_title(sound(other=(OtherStream(index=2, kind="video"),)), BUILT_IN["h264"], slots=2)


def test_a_source_without_frames_is_refused() -> None:
    with pytest.raises(UnsupportedMediaError):
        plan_title(media(Fraction(25), 0), BUILT_IN["h264"], slots=1)
