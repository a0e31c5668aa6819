"""Rates and sizes of finished renditions."""

from __future__ import annotations

from control_plane.domain.rendition import measured_renditions
from transcoder.results import PartResult, RenditionPart, SegmentResult


def _part(rendition: str, *segments: tuple[int, int], height: int | None) -> RenditionPart:
    return RenditionPart(
        rendition=rendition, kind="video" if height else "audio", codecs="x", timescale=1000,
        codec_config_sha256="c", init_size_bytes=1, height=height,
        segments=tuple(
            SegmentResult(number=n, start=0, duration=duration, frames=1, size_bytes=size, sha256="s")
            for n, (duration, size) in enumerate(segments)
        ),
    )  # fmt: skip


def test_peak_and_average_over_all_parts() -> None:
    results = [
        PartResult(renditions=(_part("v240", (1000, 1000), height=240), _part("v480", (1000, 9), height=480))),
        PartResult(renditions=(_part("v240", (3000, 1000), height=240),)),
        PartResult(renditions=(_part("a0", (1500, 100), height=None),)),
    ]
    views = measured_renditions(results)
    assert [view.id for view in views] == ["v480", "v240", "a0"]
    assert (views[1].bandwidth, views[1].average_bandwidth, views[1].size_bytes) == (8000, 4000, 2000)
    assert views[2].bandwidth == 534


def test_no_segments_no_rate() -> None:
    (view,) = measured_renditions([PartResult(renditions=(_part("v240", height=240),))])
    assert (view.bandwidth, view.average_bandwidth, view.size_bytes) == (None, None, 0)
