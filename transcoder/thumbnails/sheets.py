"""Sprite sheets: how many small pictures a title gets, where each lies, and the WebVTT that says so. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

from pydantic import Field

from transcoder.documents import Document
from transcoder.text.cues import Cue
from transcoder.text.webvtt import write_webvtt

__all__ = ["INDEX", "POSTER", "SpriteRequest", "SpriteSheets", "Thumbnails", "plan_thumbnails", "write_index"]

POSTER = "poster.jpg"

INDEX = "sprites.vtt"
"""The name of the file that tells where each picture lies."""

SHORTEST_INTERVAL, LONGEST_INTERVAL = 2, 10
"""Seconds from picture to picture, where the ladder does not say."""

_LARGEST_POSTER = 1280
"""Pixels of a poster's longer side, where the source has so many."""

ENOUGH = 100
"""So many pictures are wanted: a seek bar is not much wider than that."""

MOST = 1440
"""So many are made at most: a title of more than four hours gets them further apart."""


class SpriteRequest(Document):
    """The small pictures for a seek bar, as asked for: one in so many seconds (the title's length decides where none
    are given), `width` pixels on the longer side, in sheets of `columns` by `rows`."""

    interval_seconds: int | None = Field(default=None, ge=1, le=600)
    width: int = Field(default=160, ge=64, le=640)
    columns: int = Field(default=5, ge=1, le=10)
    rows: int = Field(default=5, ge=1, le=10)


class SpriteSheets(Document):
    """The sheets of a title. Pixels; `interval` in seconds. Picture n, from 0, stands for what follows n intervals."""

    columns: int
    rows: int
    width: int
    height: int
    interval: Fraction
    count: int

    @property
    def capacity(self) -> int:
        """Pictures of a full sheet."""
        return self.columns * self.rows

    @property
    def sheets(self) -> int:
        """How many sheets there are; all have one size, and the last may not be full."""
        return -(-self.count // self.capacity)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of a sheet."""
        return self.columns * self.width, self.rows * self.height

    def name(self, sheet: int) -> str:
        """The file of a sheet; they count from 1."""
        return f"sprite-{sheet}.jpg"

    def place(self, picture: int) -> tuple[int, int, int]:
        """The sheet in which a picture lies, and its left and top edge."""
        sheet, place = divmod(picture, self.capacity)
        row, column = divmod(place, self.columns)
        return sheet + 1, column * self.width, row * self.height

    def times(self) -> Iterator[Fraction]:
        """The second of the title that each picture shows: the middle of what it stands for."""
        return ((number + Fraction(1, 2)) * self.interval for number in range(self.count))


class Thumbnails(Document):
    """The pictures of a title beside its streams: the poster's width and height, and the sheets, if any."""

    poster: tuple[int, int]
    sprites: SpriteSheets | None = None


def plan_thumbnails(request: SpriteRequest | None, display: tuple[int, int], duration: Fraction) -> Thumbnails:
    """The thumbnails of a title of so many seconds, whose pictures have that width and height in square pixels."""
    poster = _size(display, min(_LARGEST_POSTER, max(display)))
    return Thumbnails(poster=poster, sprites=_sheets(request, display, duration) if request else None)


def _size(display: tuple[int, int], longer: int) -> tuple[int, int]:
    """Even width and height in the shape of a display."""
    width, height = (max(2, 2 * round(Fraction(side * longer, 2 * max(display)))) for side in display)
    return width, height


def _sheets(request: SpriteRequest, display: tuple[int, int], duration: Fraction) -> SpriteSheets:
    usual = min(max(duration / ENOUGH, Fraction(SHORTEST_INTERVAL)), Fraction(LONGEST_INTERVAL))
    wanted = Fraction(request.interval_seconds) if request.interval_seconds else Fraction(math.ceil(usual))
    interval = max(wanted, Fraction(math.ceil(duration / MOST)))
    count = max(1, math.ceil(duration / interval))
    columns = min(request.columns, count)
    width, height = _size(display, request.width)
    return SpriteSheets(
        columns=columns, rows=min(request.rows, -(-count // columns)), width=width, height=height, interval=interval,
        count=count,
    )  # fmt: skip


def write_index(sheets: SpriteSheets, duration: Fraction) -> bytes:
    """WebVTT whose cues name a part of a sheet each, by a media fragment (W3C Media Fragments, 4.2.2)."""
    end = math.ceil(duration * 1000)
    cues = []
    for picture in range(sheets.count):
        sheet, left, top = sheets.place(picture)
        area = f"{sheets.name(sheet)}#xywh={left},{top},{sheets.width},{sheets.height}"
        begin, finish = (math.floor((picture + step) * sheets.interval * 1000) for step in (0, 1))
        cues.append(Cue(begin, max(begin + 1, min(finish, end)), area))
    return write_webvtt(cues, header="WEBVTT\n")
