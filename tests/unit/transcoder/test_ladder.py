"""Ladders: fitted to a source, read from a file, refused with the place of the mistake."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from transcoder.errors import InvalidInputError
from transcoder.ladder import BUILT_IN, resolve
from transcoder.ladder_file import load_ladder, parse_ladder
from transcoder.media import MediaInfo, VideoStream


def source(width: int, height: int, *, rotation: int = 0, aspect: Fraction = Fraction(1)) -> MediaInfo:
    stream = VideoStream(
        index=0, codec="h264", width=width, height=height, rotation=rotation, sample_aspect_ratio=aspect,
        pixel_format="yuv420p", time_base=Fraction(1, 25), start_pts=0, end_pts=25, frame_count=25,
        frame_rate=Fraction(25), constant_frame_rate=True,
    )  # fmt: skip
    return MediaInfo(container="mp4", size_bytes=1, start=Fraction(0), duration=Fraction(1), video=(stream,))


@pytest.mark.parametrize(
    ("media", "sizes"),
    [
        (source(1920, 1080), [(1920, 1080), (1280, 720), (854, 480), (640, 360), (426, 240)]),
        (source(3840, 2160), [(1920, 1080), (1280, 720), (854, 480), (640, 360), (426, 240)]),
        (source(854, 480), [(854, 480), (640, 360), (428, 240)]),
        (source(480, 270), [(426, 240)]),
        (source(160, 120), [(160, 120)]),
        (source(1080, 1920), [(1080, 1920), (720, 1280), (480, 854), (360, 640), (240, 426)]),
        (source(1920, 1080, rotation=90), [(1080, 1920), (720, 1280), (480, 854), (360, 640), (240, 426)]),
        (source(720, 576, aspect=Fraction(64, 45)), [(854, 480), (640, 360), (426, 240)]),
    ],
)
def test_rungs_fit_the_source_and_never_exceed_it(media: MediaInfo, sizes: list[tuple[int, int]]) -> None:
    assert [(rendition.width, rendition.height) for rendition in resolve(BUILT_IN["h264"], media)] == sizes


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (17, 2000), (853, 479)])
def test_sizes_are_even_and_differ(size: tuple[int, int]) -> None:
    renditions = resolve(BUILT_IN["h264"], source(*size))
    assert renditions
    sizes = [(rendition.width, rendition.height) for rendition in renditions]
    assert all(width % 2 == 0 and height % 2 == 0 for width, height in sizes)
    assert len(set(sizes)) == len(sizes)


def test_a_ladder_file_is_read(tmp_path: Path) -> None:
    text = {"name": "one", "video": [{"id": "v360", "height": 360, "max_bitrate": 800000, "buffer": 1200000}]}
    (tmp_path / "a.json").write_text(json.dumps(text))
    (tmp_path / "a.yaml").write_text(
        "name: one\nvideo:\n- {id: v360, height: 360, max_bitrate: 800000, buffer: 1200000}\n"
    )
    assert load_ladder(str(tmp_path / "a.json")) == load_ladder(str(tmp_path / "a.yaml")) == parse_ladder(text)


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"name": "x", "video": []}, "video"),
        ({"name": "x", "video": [{"id": "A b", "height": 360, "max_bitrate": 800000, "buffer": 1}]}, "video.0.id"),
        ({"name": "x", "video": [{"id": "a", "height": 3, "max_bitrate": 800000, "buffer": 99999}]}, "video.0.height"),
        ({"video": []}, "name"),
        ("nonsense", "ladder"),
    ],
)
def test_a_wrong_ladder_names_the_field(document: object, field: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_ladder(document)
    assert field in caught.value.details["fields"]


@pytest.mark.parametrize("name", ["h265", "/etc/passwd", "missing.yaml"])
def test_an_unknown_ladder_is_refused(name: str) -> None:
    with pytest.raises(InvalidInputError):
        load_ladder(name)


def test_a_broken_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("{")
    with pytest.raises(InvalidInputError, match="not valid"):
        load_ladder(str(tmp_path / "a.yaml"))
