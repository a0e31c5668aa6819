"""Cues: when which text is shown. From what a source says, which may be anything, to cues that a player can show.

Times are milliseconds, because WebVTT has no finer ones; 0 is the start of the title. Pure.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["Cue", "CueTable", "Event", "cues_of", "shown_in"]

LONGEST_GUESS = 10_000
"""Milliseconds that a text without a duration is shown at most, where no other follows sooner."""

MOST_CUES = 100_000
"""In one track. Two hours of talk have about 2,000, of lettered signs some 20,000."""

MOST_BYTES = 64 << 20
"""Of one track's text over all its segments: a cue that lasts is in each of them."""


class Cue(NamedTuple):
    """A text that is shown from `start` until `end`, in milliseconds of the title.

    `payload` is WebVTT cue text (W3C WebVTT, 4.2.2): escaped, with tags, without an empty line. `settings` places it.
    """

    start: int
    end: int
    payload: str
    settings: str = ""


class Event(NamedTuple):
    """A text as the source has it. `end` is None, or not after `start`, where it does not say how long."""

    start: int
    end: int | None
    payload: str
    settings: str = ""


@dataclass(frozen=True, slots=True)
class CueTable:
    """The cues of a track in the order of their starts, no two the same; `left_out` did not fit into the limits."""

    cues: tuple[Cue, ...]
    left_out: int = 0


def cues_of(events: Iterable[Event], duration: int, boundaries: Sequence[int]) -> CueTable:
    """The cues of a title that lasts `duration` milliseconds and whose segments begin at `boundaries`.

    What lies outside the title is cut off. A text without a duration is shown until the next one.
    """
    ordered = sorted(events, key=lambda event: event.start)  # stable: the source's order where starts are equal
    kept: dict[Cue, None] = {}
    size = left_out = 0
    for event, following in zip(ordered, _following(ordered), strict=True):
        guess = min(event.start + LONGEST_GUESS, following if following is not None else duration)
        end = event.end if event.end is not None and event.end > event.start else guess
        cue = Cue(max(0, event.start), min(end, duration), event.payload, event.settings)
        if not cue.payload or cue.start >= cue.end or cue in kept:
            continue
        size += len(shown_in(cue, boundaries)) * (len(cue.payload.encode()) + len(cue.settings))
        if len(kept) == MOST_CUES or size > MOST_BYTES:
            left_out += 1
            continue
        kept[cue] = None
    return CueTable(tuple(kept), left_out)


def shown_in(cue: Cue, boundaries: Sequence[int]) -> range:
    """The indexes of the segments, given by where each begins (the first at 0), in which a cue is shown."""
    return range(bisect_right(boundaries, cue.start) - 1, bisect_left(boundaries, cue.end))


def _following(ordered: Sequence[Event]) -> list[int | None]:
    """For each event the start of the next later one."""
    following: list[int | None] = []
    later: int | None = None
    for index in range(len(ordered) - 1, -1, -1):
        if index + 1 < len(ordered) and ordered[index + 1].start > ordered[index].start:
            later = ordered[index + 1].start
        following.append(later)
    return following[::-1]
