"""The package against a decode of its whole source. What the times should be comes from how the clips were made."""

from __future__ import annotations

from array import array
from fractions import Fraction

import pytest
from support import clips, titles

from transcoder.limits import Limits
from transcoder.probe import probe
from transcoder.verification import VerifyReport, folder_opener, read_source_times, verify_package
from transcoder.verification.title import SourceTimes

FRAME = 512
BASE = Fraction(1, 12_800)


def _times(clip: clips.Clip, rate: Fraction | None = None) -> SourceTimes:
    step = 1 / clip.fps / BASE
    return SourceTimes(BASE, array("q", [int(number * step) for number in clip.frames]), rate)


def _verify(title: titles.Title, times: SourceTimes) -> VerifyReport:
    return verify_package(folder_opener(title.folder), media=title.media, source=times)


@pytest.mark.parametrize("clip", [titles.SHORT, titles.VARIABLE], ids=["constant", "variable"])
def test_the_whole_source_is_decoded(clip: clips.Clip) -> None:
    path = clips.cached(clip)
    with path.open("rb") as file:
        found = read_source_times(file, probe(file), Limits())
    assert found is not None
    first = found.pts[0]
    assert [(pts - first) * found.time_base for pts in found.pts] == [
        (number - clip.frames[0]) / clip.fps for number in clip.frames
    ]


def test_a_title_has_exactly_the_pictures_of_its_source(title: titles.Title, variable_title: titles.Title) -> None:
    for one, clip in ((title, titles.SHORT), (variable_title, titles.VARIABLE)):
        report = _verify(one, _times(clip))
        assert report.failed == ()
        assert [check.rendition for check in report.checks if check.name == "source-times"] == ["v180", "v90"]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("one more", "a picture at 1.000000 s, the source's next is at 0.990000 s"),
        ("one less", "a picture at 1.050000 s, the source's next is at 1.100000 s"),
        ("moved", "a picture at 1.050000 s, the source's next is at 1.060000 s"),
        ("longer", "no picture for the source's at 5.000000 s"),
        ("shorter", "a picture at 4.850000 s, the source's next is at its end"),
    ],
)
def test_other_times_than_the_source_s(title: titles.Title, change: str, found: str) -> None:
    pts = list(_times(titles.SHORT).pts)
    match change:
        case "one more":
            pts.insert(20, 12_672)
        case "one less":
            # At 1 s a segment begins: there a picture may be shown for a second time.
            del pts[21]
        case "moved":
            pts[21] += 128
        case "longer":
            pts.append(64_000)
        case _:
            pts.pop()
    failed = _verify(title, SourceTimes(BASE, array("q", pts))).failed
    assert [(check.name, check.rendition) for check in failed] == [("source-times", "v180"), ("source-times", "v90")]
    assert failed[0].found == found


def test_a_constant_rate(title: titles.Title, variable_title: titles.Title) -> None:
    assert _verify(title, _times(titles.SHORT, Fraction(20))).ok
    uneven = _verify(variable_title, _times(titles.VARIABLE, Fraction(25))).failed
    assert [check.found for check in uneven] == ["picture 3 at 0.200000 s"] * 2
