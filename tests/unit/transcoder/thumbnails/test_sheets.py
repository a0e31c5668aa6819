"""Sprite sheets planned: how many pictures, where they lie, what the index says."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcoder.text.webvtt import read_webvtt
from transcoder.thumbnails.sheets import MOST, SpriteRequest, SpriteSheets, plan_thumbnails, write_index


def planned(request: SpriteRequest, seconds: Fraction | int, display: tuple[int, int] = (1920, 1080)) -> SpriteSheets:
    sprites = plan_thumbnails(request, display, Fraction(seconds)).sprites
    assert sprites is not None
    return sprites


@pytest.mark.parametrize(
    ("seconds", "interval", "count", "columns", "rows", "sheets"),
    [
        (1, 2, 1, 1, 1, 1),
        (7, 2, 4, 4, 1, 1),
        (60, 2, 30, 5, 5, 2),
        (600, 6, 100, 5, 5, 4),
        (7200, 10, 720, 5, 5, 29),
        (24 * 3600, 60, 1440, 5, 5, 58),
    ],
)
def test_the_length_decides(seconds: int, interval: int, count: int, columns: int, rows: int, sheets: int) -> None:
    sprites = planned(SpriteRequest(), seconds)
    assert (sprites.interval, sprites.count, sprites.sheets) == (interval, count, sheets)
    assert (sprites.columns, sprites.rows) == (columns, rows)
    assert (sprites.width, sprites.height) == (160, 90)


def test_the_ladder_decides() -> None:
    sprites = planned(SpriteRequest(interval_seconds=1, width=320, columns=3, rows=2), 10, (1080, 1920))
    assert (sprites.interval, sprites.count, sprites.sheets, sprites.size) == (1, 10, 2, (540, 640))
    assert plan_thumbnails(None, (1920, 1080), Fraction(10)).sprites is None


@pytest.mark.parametrize(
    ("display", "poster"),
    [((1920, 1080), (1280, 720)), ((320, 180), (320, 180)), ((607, 1081), (608, 1080)), ((4000, 3), (1280, 2))],
)
def test_the_poster_is_no_larger_than_the_picture(display: tuple[int, int], poster: tuple[int, int]) -> None:
    assert plan_thumbnails(None, display, Fraction(10)).poster == poster


@given(
    st.fractions(min_value=Fraction(1, 30), max_value=100_000), st.integers(1, 10), st.integers(1, 10),
    st.none() | st.integers(1, 600),
)  # fmt: skip
def test_the_index_covers_the_title_and_no_picture_lies_on_another(
    seconds: Fraction, columns: int, rows: int, interval: int | None
) -> None:
    sprites = planned(SpriteRequest(columns=columns, rows=rows, interval_seconds=interval), seconds)
    cues = read_webvtt(write_index(sprites, seconds))
    assert len(cues) == sprites.count <= MOST
    assert cues[0].start == 0
    assert seconds * 1000 <= cues[-1].end < seconds * 1000 + 2
    assert all(before.end == after.start for before, after in pairwise(cues))
    width, height = sprites.size
    places = {sprites.place(number) for number in range(sprites.count)}
    assert len(places) == sprites.count
    for sheet, left, top in places:
        assert 1 <= sheet <= sprites.sheets
        assert left + sprites.width <= width
        assert top + sprites.height <= height
