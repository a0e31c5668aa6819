"""Ladders: fitted to a source, read from a file, refused with the place of the mistake."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest
import yaml

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


def rung(**more: object) -> dict[str, object]:
    return {"id": "v360", "height": 360, "max_bitrate": 800_000, "buffer": 1_200_000, **more}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"codec": "av1", "preset": "veryfast"}, "a preset of av1 is one of 13, 12"),
        ({"codec": "h264", "preset": 8}, "a preset of h264 is one of ultrafast"),
        ({"codec": "hevc", "crf": 60}, "the crf of hevc lies between 0 and 51"),
        ({"codec": "h264", "crf": 0}, "the crf of h264 lies between 1 and 51"),
        ({"codec": "vp9"}, "'h264', 'hevc' or 'av1'"),
        ({"bits": 12}, "8 or 10"),
        ({"preste": "fast"}, "Extra inputs are not permitted"),
    ],
)
def test_what_an_encoder_does_not_take_is_refused(fields: dict[str, object], reason: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_ladder({"name": "x", "video": [rung(**fields)]})
    assert reason in caught.value.message


def test_each_codec_has_its_own_presets_and_defaults() -> None:
    ladder = parse_ladder(
        {"name": "x", "video": [rung(codec="av1", preset=8, crf=60), rung(id="h", codec="hevc"), rung(id="a")]}
    )
    found = [(own.codec, own.preset, own.crf) for own in resolve(ladder, source(1920, 1080))]
    assert found == [("av1", "8", 60), ("hevc", "superfast", 26), ("h264", "veryfast", 23)]


def test_the_sources_bits_are_kept_where_the_codec_allows() -> None:
    deep = source(1920, 1080)
    stream = deep.video[0].model_copy(update={"bits": 12, "pixel_format": "yuv422p12le"})
    media = deep.model_copy(update={"video": (stream,)})
    bits = {name: {own.bits for own in resolve(ladder, media)} for name, ladder in BUILT_IN.items()}
    assert bits == {"h264": {8}, "hevc": {10}, "av1": {10}}
    assert {own.bits for ladder in BUILT_IN.values() for own in resolve(ladder, source(1920, 1080))} == {8}


def test_codecs_can_be_mixed_and_each_has_a_rung() -> None:
    ladder = parse_ladder(
        {
            "name": "x",
            "video": [
                rung(id="h1080", height=1080, codec="hevc"), rung(id="l1080", height=1080), rung(id="l180", height=180),
                rung(id="l1080b", height=1080, max_bitrate=300_000),
            ],
        }
    )  # fmt: skip
    assert [own.id for own in resolve(ladder, source(1920, 1080))] == ["h1080", "l1080", "l1080b", "l180"]
    assert [(own.id, own.height) for own in resolve(ladder, source(320, 180))] == [("h1080", 180), ("l180", 180)]


def test_a_small_source_keeps_each_of_the_lowest_rungs() -> None:
    rungs = [rung(id=f"x{bits}", height=240, codec="hevc", bits=bits) for bits in (8, 10)]
    ladder = parse_ladder({"name": "x", "video": [rung(id="x480", height=480, codec="hevc"), *rungs]})
    found = [(own.id, own.bits, own.height) for own in resolve(ladder, source(320, 180))]
    assert found == [("x8", 8, 180), ("x10", 10, 180)]


@pytest.mark.parametrize(
    ("size", "codec", "expected"),
    [
        ((853, 479), "h264", (852, 478)),
        ((1, 1), "h264", (16, 16)),
        ((1, 1), "hevc", (32, 32)),
        ((16_000, 100), "h264", (8192, 52)),
        ((8192, 10), "av1", (8192, 32)),
        ((100, 16_000), "hevc", (52, 8192)),
    ],
)
def test_sizes_are_legal_and_not_above_the_source(size: tuple[int, int], codec: str, expected: tuple[int, int]) -> None:
    own = resolve(parse_ladder({"name": "x", "video": [rung(height=1080, codec=codec)]}), source(*size))[0]
    assert (own.width, own.height) == expected


BROKEN = """\
name: mine
segment_seconds: 4
video:
  - id: v720
    height: 720
    max_bitrate: 3000000
    buffer: 4500000
  - id: v360
    height: abc
    codec: av1
    preset: fast
    max_bitrate: 800000
"""


def test_the_line_of_each_mistake_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(BROKEN)
    with pytest.raises(InvalidInputError) as caught:
        load_ladder(str(tmp_path / "a.yaml"))
    lines = {field: text.rpartition("(line ")[2] for field, text in caught.value.details["fields"].items()}
    # What is missing is missing in the rung that begins on line 8.
    assert lines == {"video.1.height": "9)", "video.1.preset": "11)", "video.1.buffer": "8)"}


@pytest.mark.parametrize(
    ("rungs", "lines"),
    [
        # The only rung is wrong: that there is no right one besides is no second mistake.
        ("  - {id: v, height: tall, max_bitrate: 600000, buffer: 900000}\n", {"video.0.height": "3)"}),
        ("  - {id: v, height: 180, max_bitrate: 600000, buffer: 900000}\n" * 2, {"video": "2)"}),
        ("  - {id: a8, height: 180, max_bitrate: 600000, buffer: 900000}\n", {"video": "2)"}),
        ("  []\n", {"video": "2)"}),
    ],
)
def test_a_mistake_is_named_once_where_it_is(rungs: str, lines: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(f"name: x\nvideo:\n{rungs}")
    with pytest.raises(InvalidInputError) as caught:
        load_ladder(str(tmp_path / "a.yaml"))
    fields = caught.value.details["fields"]
    assert {field: text.rpartition("(line ")[2] for field, text in fields.items()} == lines


def test_the_line_of_a_mistake_in_json(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{\n\t"name": "x",\n\t"video": [\n\t\t{"id": "v", "height": 1}\n\t]\n}\n')
    with pytest.raises(InvalidInputError, match=r"video\.0\.height: .*\(line 4\)"):
        load_ladder(str(tmp_path / "a.json"))


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_a_key_that_is_there_twice(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    path.write_text('{"name": "x",\n "name": "y", "video": []}')
    with pytest.raises(InvalidInputError, match=r"'name' is there twice \(line 2\)"):
        load_ladder(str(path))


def test_a_document_without_an_end_is_refused(tmp_path: Path) -> None:
    levels = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 10)}]" for n in range(20)]
    (tmp_path / "a.yaml").write_text("\n".join(levels))
    with pytest.raises(InvalidInputError, match="more than 10000 values"):
        load_ladder(str(tmp_path / "a.yaml"))
    (tmp_path / "b.yaml").write_text("a: &a [*a]")
    with pytest.raises(InvalidInputError, match="not valid"):
        load_ladder(str(tmp_path / "b.yaml"))


def test_the_ladder_of_the_documentation_is_one() -> None:
    page = Path(__file__).parents[3] / "docs" / "files.md"
    text = page.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    ladder = parse_ladder(yaml.safe_load(text))
    assert [rung.codec for rung in ladder.video] == ["hevc", "h264"]
    assert ladder.quality.measures_vmaf
