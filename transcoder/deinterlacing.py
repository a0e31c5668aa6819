"""Interlaced pictures become progressive ones: one out for each in, at its time, by bwdif.

Every missing line is made of the fields before and after it, so a picture needs both neighbours, whichever chunk they
belong to. This is an iterator over the source's pictures in the order of display; whoever uses it begins one picture
early, and it reads one picture ahead.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Literal

import av
import av.error
import av.filter
import av.video

__all__ = ["deinterlaced"]

Timed = tuple[int, av.VideoFrame]


def deinterlaced(pictures: Iterable[Timed], order: Literal["tff", "bff", "auto"], threads: int) -> Iterator[Timed]:
    """Every picture with its pts. `order` says which field is the earlier one; auto: each picture says it."""
    filtered: _Bwdif | None = None
    for pts, frame in pictures:
        form = (frame.width, frame.height, frame.format.name)
        if filtered is not None and filtered.form != form:
            yield from filtered.flush()
            filtered = None
        if filtered is None:
            filtered = _Bwdif(form, order, threads)
        yield from filtered.push(pts, frame)
    if filtered is not None:
        yield from filtered.flush()


class _Bwdif:
    """The filter for pictures of one form. It holds one picture back."""

    def __init__(self, form: tuple[int, int, str], order: str, threads: int) -> None:
        self.form = form
        graph = self._graph = av.filter.Graph()
        graph.threads = threads
        width, height, pixel_format = form
        self._source = graph.add("buffer", f"video_size={width}x{height}:pix_fmt={pixel_format}:time_base=1/1")
        bwdif = graph.add("bwdif", f"mode=send_frame:parity={order}:deint=all")
        self._sink = graph.add("buffersink")
        self._source.link_to(bwdif)
        bwdif.link_to(self._sink)
        graph.configure()
        self._count = 0
        self._waiting: deque[tuple[int, Fraction | None]] = deque()

    def push(self, pts: int, frame: av.VideoFrame) -> Iterator[Timed]:
        """Take a picture; yield the one before it."""
        self._waiting.append((pts, frame.time_base))
        # The filter's own clock counts pictures: a source's may be too fine for it, or stand still.
        frame.pts, frame.time_base = self._count, Fraction(1)
        self._count += 1
        self._source.push(frame)
        yield from self._made()

    def flush(self) -> Iterator[Timed]:
        """Yield the last picture, which has nothing after it."""
        self._source.push(None)
        yield from self._made()

    def _made(self) -> Iterator[Timed]:
        while self._waiting:
            try:
                frame = self._sink.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            assert isinstance(frame, av.VideoFrame)
            pts, time_base = self._waiting.popleft()
            frame.pts = pts
            if time_base is not None:
                frame.time_base = time_base
            yield pts, frame
