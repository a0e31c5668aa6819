"""Byte ranges and entity tags (RFC 9110)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.rest.ranges import matches, parse_range
from control_plane.service.errors import RangeNotSatisfiableError


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=0-", (0, 100)),
        ("bytes=10-19", (10, 20)),
        ("bytes=90-500", (90, 100)),
        ("bytes=-1", (99, 100)),
        ("bytes=-500", (0, 100)),
        ("Bytes = 5 - 6 ", (5, 7)),
    ],
)
def test_one_range(header: str, span: tuple[int, int]) -> None:
    assert parse_range(header, 100) == span


@pytest.mark.parametrize(
    "header", [None, "", "bytes", "bytes=-", "bytes=a-b", "items=0-1", "bytes=0-1,3-4", "bytes=9-3", "bytes=0-1-2"]
)
def test_what_is_no_single_range_is_ignored(header: str | None) -> None:
    assert parse_range(header, 100) is None


@pytest.mark.parametrize(("header", "size"), [("bytes=100-", 100), ("bytes=-0", 100), ("bytes=0-", 0), ("bytes=-5", 0)])
def test_outside(header: str, size: int) -> None:
    with pytest.raises(RangeNotSatisfiableError) as raised:
        parse_range(header, size)
    assert raised.value.details == {"size": size}


@given(first=st.integers(0, 300), last=st.integers(0, 300), size=st.integers(0, 200))
def test_a_span_lies_inside_the_object_and_is_not_empty(first: int, last: int, size: int) -> None:
    try:
        span = parse_range(f"bytes={first}-{last}", size)
    except RangeNotSatisfiableError:
        assert first >= size
        return
    if span is None:
        assert last < first
    else:
        assert 0 <= span[0] < span[1] <= size


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('"abc"', True),
        ('W/"abc"', True),
        ('"x", "abc"', True),
        ("*", True),
        ('"abcd"', False),
        ("abc", False),
        ("", False),
        (None, False),
    ],
)
def test_if_none_match(header: str | None, expected: bool) -> None:
    assert matches(header, '"abc"') is expected
