"""When pictures are shown: a chunk decides as one that has the whole title, whatever the source's times are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.recording import LADDER

from transcoder.errors import UnsupportedMediaError
from transcoder.media import MediaInfo, VideoStream
from transcoder.plan import Chunk, Plan, VideoTrack, plan_title
from transcoder.timing import Shown, Timing, timing_of

STEPS = st.one_of(st.integers(1, 60), st.integers(150, 2500), st.integers(20_000, 70_000))
"""Distances between pictures in milliseconds: usual ones, gaps, and some that are longer than a segment may be."""

TIMES = st.lists(STEPS, max_size=60).map(lambda steps: list(accumulate(steps, initial=0)))
"""Times of pictures in milliseconds, the first at 0."""


def planned(times: Sequence[int], *, start: int = 0, rate: Fraction | None = None, last: int = 40) -> Plan:
    """The plan of a source with pictures at these milliseconds, as the probe sees it."""
    ends = [*times[1:], times[-1] + last]
    stream = VideoStream(
        index=0, codec="h264", width=160, height=90, pixel_format="yuv420p", time_base=Fraction(1, 1000),
        start_pts=start, end_pts=start + ends[-1], frame_count=len(times), frame_rate=Fraction(25),
        constant_frame_rate=False, gaps=tuple(
            (start + a, start + b) for a, b in zip(times, ends, strict=True) if b - a > 200 or b == ends[-1]
        ),
    )  # fmt: skip
    media = MediaInfo(
        container="x", size_bytes=1, start=stream.start, duration=stream.end - stream.start, video=(stream,)
    )
    return plan_title(media, LADDER.model_copy(update={"frame_rate": rate or "source"}), slots=2)


def track_of(plan: Plan) -> VideoTrack:
    assert plan.video is not None
    return plan.video


def shown(
    plan: Plan, chunk: Chunk, decoded: Sequence[int], *, whole: bool = False
) -> tuple[list[Shown[int]], int, int]:
    """A chunk's pictures, its end and its repeats; a picture's content is its pts."""
    following = None if whole else plan.following(chunk)
    timing: Timing[int] = timing_of(track_of(plan), chunk, following)
    pictures = list(timing.pictures([(pts, pts) for pts in decoded]))
    return pictures, timing.end, timing.repeated


def whole_title(plan: Plan) -> Chunk:
    return Chunk(index=0, segments=plan.segments)


def chunks_of(plan: Plan, decoded: Sequence[int], lead: int) -> tuple[list[Shown[int]], list[tuple[int, int]], int]:
    """All chunks, each from up to `lead` pictures before the one that is shown at its start."""
    pictures, spans, repeats = [], [], 0
    for chunk in plan.chunks:
        before = sum(pts <= track_of(plan).pts(chunk.start) for pts in decoded)
        own, end, repeated = shown(plan, chunk, decoded[max(0, before - 1 - lead) :])
        pictures += own
        spans.append((own[0].tick, end))
        repeats += repeated
    return pictures, spans, repeats


@given(times=TIMES, lost=st.sets(st.integers(1, 60)), start=st.integers(-5000, 5000), lead=st.integers(0, 3))
def test_chunks_show_what_the_whole_shows(times: list[int], lost: set[int], start: int, lead: int) -> None:
    """Also where the source has lost pictures that the plan counts on."""
    plan = planned(times, start=start)
    decoded = [start + time for number, time in enumerate(times) if number not in lost]
    pictures, spans, repeats = chunks_of(plan, decoded, lead)
    whole, end, repeated = shown(plan, whole_title(plan), decoded, whole=True)
    assert pictures == whole
    assert (spans[-1][1], repeats) == (end, repeated)
    assert [end for _, end in spans[:-1]] == [start for start, _ in spans[1:]]
    assert all(a.tick < b.tick for a, b in pairwise(whole))
    assert end > whole[-1].tick
    # Every picture that was decoded is there, at its own time; what is there twice begins a segment.
    own = [picture for picture in whole if picture.tick == picture.picture - start]
    assert [picture.picture for picture in own] == decoded
    assert repeated == len(whole) - len(own)
    starts = [picture.tick for picture in whole if picture.starts_segment]
    assert len(starts) == len(plan.segments)
    assert all(math.ceil(s.start * 1000) <= tick < s.end * 1000 for s, tick in zip(plan.segments, starts, strict=True))


@given(times=TIMES)
def test_nothing_is_repeated_where_nothing_is_lost_and_no_gap_is_longer_than_a_segment_may_be(times: list[int]) -> None:
    plan = planned(times)
    _, _, repeated = shown(plan, whole_title(plan), times, whole=True)
    assert repeated == 0 or max(b - a for a, b in pairwise(times)) > 20_000


@given(
    times=TIMES,
    rate=st.sampled_from([Fraction(25), Fraction(30000, 1001), Fraction(24000, 1001), Fraction(60), Fraction(1)]),
    lead=st.integers(0, 3),
)
def test_a_constant_rate_shows_the_nearest_picture(times: list[int], rate: Fraction, lead: int) -> None:
    times = [time for time in times if time < 100_000]
    plan = planned(times, rate=rate)
    pictures, spans, _ = chunks_of(plan, times, lead)
    assert pictures == shown(plan, whole_title(plan), times, whole=True)[0]
    step = track_of(plan).ticks_per_picture
    assert step is not None
    assert [picture.tick for picture in pictures] == [step * number for number in range(track_of(plan).frame_count)]
    assert Fraction(step, track_of(plan).timescale) == 1 / rate
    for number, picture in enumerate(pictures):
        assert picture.picture == max(
            time for time in times if math.floor(time * rate / 1000 + Fraction(1, 2)) <= number
        )
    assert [end for _, end in spans[:-1]] == [start for start, _ in spans[1:]]
    assert Fraction(spans[-1][1], track_of(plan).timescale) == plan.duration


@pytest.mark.parametrize(
    "decoded", [[0, 40, 120, 80, 120, 160], [0, 40, 80, 9000, 120, 160], [0, 40, 80, 80, 120, 40, 160, 120]]
)
def test_a_wrong_time_costs_no_other_picture(decoded: list[int]) -> None:
    plan = planned([0, 40, 80, 120, 160])
    pictures, end, _ = shown(plan, plan.chunks[0], decoded)
    assert [picture.tick for picture in pictures] == [0, 40, 80, 120, 160]
    assert end == 200


@given(times=TIMES, wrong=st.dictionaries(st.integers(1, 59), st.integers(-3000, 90_000)), lead=st.integers(1, 3))
def test_chunks_agree_on_wrong_times(times: list[int], wrong: dict[int, int], lead: int) -> None:
    """Single pictures with any time, each between two that are right."""
    wrong = {number: time for number, time in wrong.items() if number % 3 == 1}
    plan = planned(times)
    decoded = [wrong.get(number, time) for number, time in enumerate(times)]
    pictures: list[Shown[int]] = []
    for chunk in plan.chunks:
        # From some pictures before the chunk on, as the decoder brings them: a picture that is right comes first.
        first = max(number for number, time in enumerate(times) if time <= chunk.start * 1000 and number not in wrong)
        own, _, _ = shown(plan, chunk, decoded[max(0, first - 3 * lead) :])
        pictures += own
    assert pictures == shown(plan, whole_title(plan), decoded, whole=True)[0]


def test_nothing_to_show_is_the_source_s_fault() -> None:
    for rate in (None, Fraction(25)):
        plan = planned(list(range(0, 4000, 40)), rate=rate)
        with pytest.raises(UnsupportedMediaError, match="no picture can be decoded"):
            shown(plan, plan.chunks[1], [])


def test_a_clock_finer_than_any_title_s_stays_in_order() -> None:
    track = track_of(planned([0])).model_copy(update={"time_base": Fraction(1, 10**9), "timescale": 10_000_000})
    assert [track.tick(pts) for pts in (0, 1, 99, 100, 10**9)] == [0, 1, 1, 1, 10_000_000]
