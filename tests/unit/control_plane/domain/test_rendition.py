"""Rates and sizes of finished renditions."""

from __future__ import annotations

from support.plans import part_result, plan_of

from cluster.units import task_keys
from control_plane.domain.rendition import measured_renditions
from transcoder.packaging.assembly import build
from transcoder.packaging.hls import multivariant

PLAN = plan_of(20)
RESULTS = {key: part_result(PLAN, key) for key in task_keys(PLAN)}
PACKAGE = build(
    PLAN,
    {key.index: result for key, result in RESULTS.items() if key.kind == "video"},
    {(key.track, key.index): result for key, result in RESULTS.items() if key.kind == "audio"},
    final=True,
)


def test_tallest_first_and_sound_last() -> None:
    views = measured_renditions(PACKAGE)
    assert [view.id for view in views] == ["v480", "v360", "v240", "trick", "a0"]
    assert views[0].size_bytes == sum(segment.size_bytes for segment in PACKAGE.rendition("v480").segments)


def test_rates_are_those_of_the_manifests() -> None:
    views = {view.id: view for view in measured_renditions(PACKAGE)}
    video, audio = views["v480"].bandwidth, views["a0"].bandwidth
    assert video
    assert audio
    # RFC 8216bis: a variant's BANDWIDTH is that of its picture and its sound together.
    assert f"BANDWIDTH={video + audio}," in multivariant(PACKAGE)
