"""Decode times: strictly increasing, never after the own presentation plus the delay."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from transcoder.fragments import decode_times


def test_a_constant_rate_gets_the_presentation_times_by_rank() -> None:
    assert decode_times([0, 40, 20, 10, 30], 30) == [0, 10, 20, 30, 40]


def test_a_long_gap_pulls_the_decode_time_before_the_presentation() -> None:
    # The third picture is shown long before its rank's time: it must be decoded before it is shown.
    times = decode_times([0, 1000, 10], 20)
    assert times == [0, 10, 30]
    assert times[2] <= 10 + 20


@given(pts=st.lists(st.integers(0, 10**9), min_size=1, max_size=50, unique=True), delay=st.integers(0, 10**4))
def test_any_order_has_valid_decode_times(pts: list[int], delay: int) -> None:
    times = decode_times(pts, delay)
    assert all(a < b for a, b in pairwise(times))
    assert all(time <= own + delay for time, own in zip(times, pts, strict=True))
    assert all(time <= rank for time, rank in zip(times, sorted(pts), strict=True))
