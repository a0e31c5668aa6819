"""What the verifier says of buffers, colours, and of segments that cannot be started with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support import titles

from transcoder.media import MediaInfo
from transcoder.plan import Plan
from transcoder.verification import VerifyReport, folder_opener, verify_package
from transcoder.verification.random_access import stands_alone


def _planned(title: titles.Title, **changes: object) -> Plan:
    """The title's plan with other words about its first rung."""
    track = title.plan.video
    assert track is not None
    first = track.renditions[0].model_copy(update=changes)
    other = track.model_copy(update={"renditions": (first, *track.renditions[1:])})
    return title.plan.model_copy(update={"video": other})


def _verify(folder: Path, plan: Plan, media: MediaInfo) -> VerifyReport:
    return verify_package(folder_opener(folder), plan=plan, media=media)


def _failed(report: VerifyReport) -> list[tuple[str, str | None]]:
    return [(check.name, check.rendition) for check in report.failed]


def test_a_buffer_that_is_too_small(title: titles.Title) -> None:
    report = _verify(title.folder, _planned(title, max_bitrate=10_000, buffer=20_000), title.media)
    assert _failed(report) == [("buffer", "v180")]
    assert "bits missing for picture" in report.failed[0].found


def test_other_colours_than_planned(title: titles.Title, damaged: Callable[[], Path]) -> None:
    folder = damaged()
    path = folder / "cmaf/v180/init.mp4"
    data = bytearray(path.read_bytes())
    place = data.index(b"nclx")
    data[place + 4 : place + 6] = (9).to_bytes(2)
    path.write_bytes(data)
    report = _verify(folder, title.plan, title.media)
    assert ("colour", "v180") in _failed(report)
    assert "primaries 9" in next(check.found for check in report.failed if check.name == "colour")


@pytest.mark.parametrize(
    ("format", "sample", "expected"),
    [
        ("avc1", "00000002 09f0 00000002 6580", True),
        ("avc1", "00000002 09f0 00000002 4180", False),
        ("hvc1", "00000003 4e0105 00000003 2601aa", True),
        ("hvc1", "00000003 2801aa", True),
        # A picture that may be started with, but is followed by some that refer across it (CRA).
        ("hvc1", "00000003 2a01aa", False),
        ("hvc1", "00000003 0201aa", False),
        # Temporal delimiter, sequence header, frame: a key frame that is shown, one that is not, an inter frame.
        ("av01", "1200 0a01aa 32021000", True),
        ("av01", "1200 0a01aa 32020000", False),
        ("av01", "1200 32023000", False),
        ("av01", "1200", False),
        ("av01", "32ffffffff", False),
        ("mp4a", "00", True),
        ("hvc1", "", False),
    ],
)
def test_where_a_decoder_can_start(format: str, sample: str, expected: bool) -> None:
    assert stands_alone(bytes.fromhex(sample), format) is expected
