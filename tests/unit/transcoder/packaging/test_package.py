"""The package model: which prefix is visible, and that no wrong join gets past it."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest
from support import titles

from transcoder.errors import VerificationError
from transcoder.packaging.assembly import build, visible_chunks
from transcoder.packaging.package import PublishedRendition
from transcoder.results import PartResult, RenditionPart, SegmentResult


def _rendition(segments: list[tuple[int, int]], timescale: int = 1) -> PublishedRendition:
    """A rendition of segments given as (duration in ticks, bytes)."""
    starts = [sum(d for d, _ in segments[:index]) for index in range(len(segments))]
    return PublishedRendition(
        id="v", kind="video", codecs="avc1.42c00d", timescale=timescale, codec_config_sha256="", max_bitrate=1,
        segments=tuple(
            SegmentResult(number=n, start=start, duration=duration, frames=1, size_bytes=size, sha256="")
            for n, (start, (duration, size)) in enumerate(zip(starts, segments, strict=True), start=1)
        ),
    )  # fmt: skip


def _changed(
    parts: dict[int, PartResult], index: int, change: Callable[[RenditionPart], RenditionPart], place: int = 0
) -> dict[int, PartResult]:
    """The parts with one rendition part of one chunk changed."""
    renditions = list(parts[index].renditions)
    renditions[place] = change(renditions[place])
    return {**parts, index: PartResult(renditions=tuple(renditions))}


def _shifted(part: RenditionPart, ticks: int) -> RenditionPart:
    segments = tuple(s.model_copy(update={"start": s.start + ticks}) for s in part.segments)
    return part.model_copy(update={"segments": segments})


def test_prefix_needs_video_and_all_audio(title: titles.Title) -> None:
    everything = set(title.video), set(title.audio)
    assert visible_chunks(title.plan, *everything) == len(title.plan.chunks)
    assert visible_chunks(title.plan, {0, 1, 3}, set(title.audio)) == 2
    assert visible_chunks(title.plan, set(title.video), {(0, 0), (0, 2)}) == 1
    assert visible_chunks(title.plan, set(), set(title.audio)) == 0


def test_growing_package(title: titles.Title) -> None:
    package = title.package(final=False, chunks=2)
    assert package.segments == 2
    assert package.seconds == Fraction(1)
    assert [rendition.id for rendition in package.renditions] == ["v180", "v90", "a0"]
    # The ladder's caps while it grows.
    assert [package.bandwidth(r) for r in package.renditions] == [600_000, 200_000, 128_000]


def test_nothing_visible(title: titles.Title) -> None:
    package = title.package(final=False, chunks=0)
    assert (package.segments, package.seconds, package.renditions) == (0, 0, ())


def test_final_package(title: titles.Title) -> None:
    package = title.package()
    assert package.segments == 5
    assert package.seconds == package.duration == Fraction(49, 10)
    assert [rendition.frames for rendition in package.video] == [98, 98]


def test_final_needs_every_chunk(title: titles.Title) -> None:
    with pytest.raises(VerificationError, match="not complete"):
        title.package(final=True, chunks=3)


def test_gap_at_a_join(title: titles.Title) -> None:
    video = _changed(title.video, 2, lambda part: _shifted(part, 1))
    with pytest.raises(VerificationError) as caught:
        build(title.plan, video, title.audio, final=True)
    assert caught.value.details == {"rendition": "v180", "segment": 3, "expected": "16000", "found": "16001"}


def test_other_codec_configuration(title: titles.Title) -> None:
    video = _changed(title.video, 1, lambda p: p.model_copy(update={"codec_config_sha256": "0" * 64}), place=1)
    with pytest.raises(VerificationError, match="codec_config_sha256: rendition v90, segment 2"):
        build(title.plan, video, title.audio, final=True)


def test_rungs_cut_differently(title: titles.Title) -> None:
    def change(part: RenditionPart) -> RenditionPart:
        segments = tuple(s.model_copy(update={"frames": s.frames + 1}) for s in part.segments)
        return part.model_copy(update={"segments": segments})

    with pytest.raises(VerificationError, match="cut differently: rendition v90, segment 4"):
        build(title.plan, _changed(title.video, 3, change, place=1), title.audio, final=True)


def test_missing_rendition(title: titles.Title) -> None:
    video = {**title.video, 1: PartResult(renditions=title.video[1].renditions[:1])}
    with pytest.raises(VerificationError, match="missing or double: rendition v90, segment 2"):
        build(title.plan, video, title.audio, final=True)


def test_sound_may_be_empty(title: titles.Title) -> None:
    audio = {key: PartResult() for key in title.audio}
    assert build(title.plan, title.video, audio, final=True).audio == ()


def test_sound_may_end_early_but_not_pause(title: titles.Title) -> None:
    last = (0, len(title.plan.chunks) - 1)
    shorter = build(title.plan, title.video, {**title.audio, last: PartResult()}, final=True)
    assert len(shorter.audio[0].segments) == 4
    with pytest.raises(VerificationError, match="rendition a0, segment 3"):
        build(title.plan, title.video, {**title.audio, (0, 1): PartResult()}, final=True)


def test_target_duration_is_planned_and_never_exceeded(title: titles.Title) -> None:
    assert {title.package(final=False, chunks=count).target_duration for count in range(1, 6)} == {2}
    package = title.package()
    longer = package.model_copy(update={"renditions": (_rendition([(3, 1)]),)})
    assert longer.target_duration == 3
    assert package.model_copy(update={"segment_duration": Fraction(4004, 1000)}).target_duration == 5


def test_average_and_peak_bitrate() -> None:
    rendition = _rendition([(1, 100), (1, 500), (2, 400), (4, 400)])
    assert rendition.average_bitrate == 8 * 1400 // 8
    # Runs of 2 to 6 s: 1+1 s (300 B/s), 1+1+2 s (250), 1+2 s (300), 2 s (200), 2+4 s (133), 4 s (100).
    assert rendition.peak_bitrate(4) == 8 * 300
    # One segment of 1 s is no run of 2 to 6 s.
    assert _rendition([(1, 100)]).peak_bitrate(4) == 800


def test_bitrates_round_up() -> None:
    assert _rendition([(3, 1)]).average_bitrate == 3
