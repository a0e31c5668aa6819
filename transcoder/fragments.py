"""Fragmented MP4 that keeps its place in the title: FFmpeg's muxer under clocks that we choose.

A chunk must begin and end at exactly its pictures' times in both clocks, decode and composition, or chunks would
not join. With B-frames an encoder delays one clock against the other, differently for each chunk. So each sample
gets as decode time the presentation time of its rank, and every composition time is later by one constant of
the rendition, the presentation delay. Shaka Packager then writes an edit list with that constant into the init
segment (ISO/IEC 14496-12, 8.6.6), which Chromium, Safari and FFmpeg honour: presentation is exact.
Signed offsets without an edit list (`trun` version 1) would do as well on paper, but FFmpeg shifts the
pictures of such a stream by the largest offset, against the sound.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import av.container
from av.packet import Packet

__all__ = ["FragmentWriter", "decode_times"]

_MUXER = {"use_editlist": "1"}
_FRAGMENTS = {
    "segment": {"movflags": "frag_keyframe+default_base_moof+delay_moov+frag_discont"},
    "all": {"movflags": "frag_custom+default_base_moof+delay_moov+frag_discont"},
}


def decode_times(pts: Sequence[int], delay: int) -> list[int]:
    """Decode times for samples given in decode order by presentation time, all in ticks.

    Strictly increasing; a sample's is the presentation time of its rank, or earlier where that would be later
    than its own presentation plus `delay` (reordering across a long gap of a variable frame rate).
    """
    times = sorted(pts)
    latest = times[-1] + delay + 1
    result = []
    for rank, own in zip(reversed(times), reversed(pts), strict=True):
        latest = min(rank, own + delay, latest - 1)
        result.append(latest)
    return result[::-1]


class FragmentWriter:
    """Collects the packets of one stream and writes them as fragmented MP4.

    One fragment a `segment` begins at each keyframe; `all` makes one fragment of everything (audio has keyframes
    everywhere). Packets come in decode order with `pts` in ticks of the title. `delay` is the presentation
    delay in ticks. Memory: one chunk's packets of one rendition.
    """

    def __init__(
        self, path: Path, timescale: int, delay: int = 0, *, fragments: Literal["segment", "all"] = "segment"
    ) -> None:
        self._timescale = timescale
        self._delay = delay
        self.container: av.container.OutputContainer = av.open(
            str(path),
            "w",
            format="mp4",
            options={**_MUXER, **_FRAGMENTS[fragments], "video_track_timescale": str(timescale)},
        )
        self._packets: list[Packet[Any]] = []

    def add(self, packets: Sequence[Packet[Any]]) -> None:
        """Take the encoder's next packets."""
        self._packets += packets

    def abort(self) -> None:
        """Close without the packets; the file is of no use then."""
        self._packets.clear()
        self.container.close()

    def finish(self, end: int) -> int:
        """Write the file; the last sample ends at tick `end`. Returns the number of samples."""
        packets, self._packets = self._packets, []
        pts = [packet.pts for packet in packets if packet.pts is not None]
        dts = decode_times(pts, self._delay)
        clock = Fraction(1, self._timescale)
        for packet, own, time, following in zip(packets, pts, dts, [*dts[1:], end], strict=True):
            packet.time_base = clock
            packet.pts, packet.dts, packet.duration = own, time - self._delay, following - time
            self.container.mux_one(packet)
        self.container.close()
        return len(packets)
