"""libav's filters as a chain: frames in, frames out."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
import av.error
import av.filter
import numpy as np
import numpy.typing as npt

from transcoder.source import media_errors

__all__ = ["FilterChain", "Samples", "packed", "unpacked"]

Samples = npt.NDArray[np.float32]
"""Shape (samples, channels), -1 to 1."""


class FilterChain:
    """Filters in a row, given as name and options, for frames of one form. `clock` is in ticks a second."""

    def __init__(
        self, *filters: tuple[str, str], layout: str, sample_rate: int, sample_format: str = "flt", clock: int
    ) -> None:
        graph = av.filter.Graph()
        form = f"sample_rate={sample_rate}:sample_fmt={sample_format}:channel_layout={layout}"
        with media_errors("filtering the sound"):
            self._source = graph.add("abuffer", f"time_base=1/{clock}:{form}")
            last = self._source
            for name, options in filters:
                following = graph.add(name, options)
                last.link_to(following)
                last = following
            self._sink = graph.add("abuffersink")
            last.link_to(self._sink)
            graph.configure()
        self._graph = graph

    def push(self, frame: av.AudioFrame | None) -> Iterator[av.AudioFrame]:
        """What comes out for one more frame; None is the end."""
        with media_errors("filtering the sound"):
            self._source.push(frame)
            while True:
                try:
                    made = self._sink.pull()
                except (av.error.BlockingIOError, av.error.EOFError):
                    return
                assert isinstance(made, av.AudioFrame)
                yield made


def packed(samples: Samples, layout: str, sample_rate: int, position: int) -> av.AudioFrame:
    """Samples as a frame that begins at sample `position`."""
    data = np.ascontiguousarray(samples, np.float32).reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(data, format="flt", layout=layout)
    frame.sample_rate, frame.pts, frame.time_base = sample_rate, position, Fraction(1, sample_rate)
    return frame


def unpacked(frame: av.AudioFrame) -> Samples:
    """A frame of packed floats as samples."""
    return np.asarray(frame.to_ndarray(), np.float32).reshape(frame.samples, -1)
