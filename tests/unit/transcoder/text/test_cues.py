"""Cues: what a source leaves out is found, what lies outside the title is cut off, and the rest stays as it is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from transcoder.text import cues
from transcoder.text.cues import LONGEST_GUESS, Cue, Event, cues_of, shown_in

BOUNDARIES = (0, 1000, 2000, 4000)


def made(*events: Event, duration: int = 20_000) -> tuple[Cue, ...]:
    return cues_of(events, duration, BOUNDARIES).cues


def test_overlapping_cues_keep_their_times_and_are_sorted() -> None:
    assert made(Event(3000, 5000, "b"), Event(1000, 4000, "a"), Event(1000, 2000, "c")) == (
        Cue(1000, 4000, "a"), Cue(1000, 2000, "c"), Cue(3000, 5000, "b"),
    )  # fmt: skip


def test_a_text_without_a_duration_is_shown_until_the_next_one() -> None:
    events = (Event(0, None, "a"), Event(1500, 1500, "b"), Event(1500, 1000, "c"), Event(3000, 4000, "d"))
    assert [(cue.start, cue.end) for cue in made(*events)] == [(0, 1500), (1500, 3000), (1500, 3000), (3000, 4000)]
    assert made(Event(0, None, "last"))[0].end == LONGEST_GUESS
    assert made(Event(0, None, "a"), Event(2000, None, "")) == (Cue(0, 2000, "a"),)  # an empty text ends one


def test_only_the_title_counts() -> None:
    events = (Event(-500, 300, "a"), Event(-500, -100, "b"), Event(4900, 9000, "c"), Event(5000, 6000, "d"))
    assert made(*events, duration=5000) == (Cue(0, 300, "a"), Cue(4900, 5000, "c"))


def test_no_cue_comes_twice() -> None:
    assert made(Event(0, 500, "a"), Event(0, 500, "a"), Event(0, 500, "a", "line:0")) == (
        Cue(0, 500, "a"), Cue(0, 500, "a", "line:0"),
    )  # fmt: skip


def test_a_track_has_an_end() -> None:
    table = cues_of([Event(0, 20_000, "x" * 4096, f"line:{n}") for n in range(9000)], 20_000, BOUNDARIES)
    assert 4 * 4096 * len(table.cues) <= cues.MOST_BYTES
    assert len(table.cues) + table.left_out == 9000


@given(st.integers(0, 5000), st.integers(1, 3000))
def test_a_cue_is_in_the_segments_that_it_touches(start: int, length: int) -> None:
    cue = Cue(start, start + length, "x")
    spans = list(zip(BOUNDARIES, (*BOUNDARIES[1:], 1 << 40), strict=True))
    assert list(shown_in(cue, BOUNDARIES)) == [
        index for index, (begin, end) in enumerate(spans) if cue.start < end and cue.end > begin
    ]
