"""Woven fields are seen in the pictures, whatever the stream says of itself; film is left alone."""

from __future__ import annotations

import io

import pytest
from support import ffmpeg

from transcoder.media import MediaInfo
from transcoder.probe import probe

TEST_CARD = "testsrc2=size=320x240:rate={rate}:duration=1"
X264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]


def probed(source: str, filters: str, *codec: str) -> MediaInfo:
    made = ffmpeg.run(["-f", "lavfi", "-i", source, "-vf", filters, *codec, "-f", "matroska", "-"])
    return probe(io.BytesIO(made))


def order(media: MediaInfo) -> str:
    assert media.main_video is not None
    return media.main_video.field_order


@pytest.mark.parametrize("first", ["tff", "bff"])
@pytest.mark.parametrize("flag", ["tff=1", "bff=1", "interlaced=0"])
def test_the_order_of_the_fields_is_measured(first: str, flag: str) -> None:
    weave = {"tff": "tinterlace=interleave_top", "bff": "tinterlace=interleave_bottom"}[first]
    media = probed(TEST_CARD.format(rate=50), weave, *X264, "-x264-params", flag)
    assert order(media) == first


def test_mpeg2_of_a_broadcaster() -> None:
    media = probed(
        TEST_CARD.format(rate=50), "tinterlace=interleave_top,setfield=tff",
        "-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-b:v", "2M",
    )  # fmt: skip
    assert order(media) == "tff"


@pytest.mark.parametrize("rate", [24, 25, 30, 50])
@pytest.mark.parametrize("size", ["160x90", "320x240", "640x360"])
def test_pictures_of_one_time_are_progressive(rate: int, size: str) -> None:
    assert order(probed(f"testsrc2=size={size}:rate={rate}:duration=1", "null", *X264)) == "progressive"


@pytest.mark.parametrize(
    "source", ["mandelbrot=size=320x240:rate=25", "life=size=320x240:rate=25", "cellauto=s=320x240"]
)
def test_noise_is_not_taken_for_fields(source: str) -> None:
    assert order(probed(source, "trim=duration=1", *X264)) == "progressive"


def test_film_that_calls_itself_interlaced_is_progressive() -> None:
    # Everything moves sideways: nothing that could be taken for fields.
    moving = "testsrc=size=640x360:rate=25:duration=1,scroll=horizontal=0.02"
    assert order(probed(moving, "null", *X264, "-x264-params", "tff=1")) == "progressive"


def test_a_still_picture_is_what_it_says() -> None:
    still = "testsrc2=size=320x240:rate=25:duration=1"
    codec = ["-c:v", "mpeg2video", "-flags", "+ilme+ildct"]
    assert order(probed(still, "trim=end_frame=1,loop=24:1,setfield=tff", *codec)) == "interlaced"
    assert order(probed(still, "trim=end_frame=1,loop=24:1", "-c:v", "mpeg2video")) == "progressive"


def test_telecined_film_is_recognised_and_left_alone() -> None:
    media = probed(TEST_CARD.format(rate=24), "telecine=pattern=23", *X264)
    assert order(media) == "progressive"
    assert any("telecine" in warning for warning in media.warnings)
