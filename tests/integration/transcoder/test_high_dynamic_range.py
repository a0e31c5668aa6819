"""Real HDR10 sources: kept with all that they say by HEVC and AV1, tone-mapped by H.264."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import ffmpeg, titles
from support.clips import media_file
from support.keys import PackageKeys

from transcoder.ladder import Ladder, VideoRung
from transcoder.packaging.drm import Scheme
from transcoder.verification import folder_opener, verify_package

MERIDIAN = "odd/prores_Meridian-Apple_ProResProxy-HDR10.mp4"
X265_TAGS = "odd/hevc_hdr10tags-both.mkv"
DOLBY_VISION = "odd/hevc_dovi-p81.mp4"

LADDER = Ladder(
    name="three",
    video=(
        VideoRung(id="h180", height=180, codec="hevc", preset="ultrafast", max_bitrate=400_000, buffer=600_000),
        VideoRung(id="x180", height=180, codec="av1", preset="10", max_bitrate=400_000, buffer=600_000),
        VideoRung(id="l180", height=180, preset="ultrafast", max_bitrate=400_000, buffer=600_000),
    ),
)


@pytest.mark.parametrize("name", [MERIDIAN, X265_TAGS, DOLBY_VISION])
def test_one_package_for_both_kinds_of_screen(name: str, tmp_path: Path) -> None:
    source = media_file(name)
    title = titles.make_title(source, tmp_path, ladder=LADDER)
    stream = title.media.main_video
    assert stream is not None
    report = verify_package(
        folder_opener(tmp_path), plan=title.plan, media=title.media, package=title.package(), decode=True
    )
    assert [check.name for check in report.failed] == []
    count = len(ffmpeg.stored_frames(source, stream.index))
    for rung in ("h180", "x180", "l180"):
        assert len(ffmpeg.decode_frames(tmp_path / f"hls/{rung}.m3u8")) == count
    master = (tmp_path / "hls/master.m3u8").read_text()
    assert master.count("VIDEO-RANGE=PQ") == 2
    assert "VIDEO-RANGE=SDR" in master
    said = {rung: ffmpeg.frame_report(tmp_path / f"hls/{rung}.m3u8") for rung in ("h180", "x180", "l180")}
    for rung in ("h180", "x180"):
        assert "color_space:bt2020nc color_primaries:bt2020 color_trc:smpte2084" in said[rung]
        assert ("Mastering display metadata" in said[rung]) == (stream.mastering is not None)
        assert ("Content light level metadata" in said[rung]) == (stream.light is not None)
    assert "color_space:bt709 color_primaries:bt709 color_trc:bt709" in said["l180"]


def test_the_mastering_display_is_the_sources(tmp_path: Path) -> None:
    source = media_file(X265_TAGS)
    titles.make_title(source, tmp_path, ladder=LADDER)

    def said(path: Path) -> list[str]:
        words = ("Mastering display", "Content light")
        return [line for line in ffmpeg.frame_report(path).splitlines() if any(word in line for word in words)][:2]

    expected = said(source)
    assert len(expected) == 2
    assert said(tmp_path / "hls/h180.m3u8") == expected
    assert said(tmp_path / "hls/x180.m3u8")[1] == expected[1]  # AV1 has other fixed points for luminance
    assert said(tmp_path / "hls/l180.m3u8") == []


@pytest.mark.parametrize("scheme", ["cbcs", "cenc"])
def test_all_of_it_can_be_encrypted(scheme: Scheme, tmp_path: Path) -> None:
    folder = tmp_path / "title"
    keys = PackageKeys(tmp_path, scheme)
    title = titles.make_title(media_file(X265_TAGS), folder, ladder=LADDER, encrypt=keys.encrypt)
    report = verify_package(
        folder_opener(folder), plan=title.plan, media=title.media, package=title.package(), decode=True, keys=keys.clear
    )
    assert [check.name for check in report.failed] == []
    assert {own.decoded for own in report.renditions if own.kind == "video"} == {10}


def test_tone_mapping_resembles_another_converter(tmp_path: Path) -> None:
    """zimg with a curve of its own: darks and middles are alike, on the whole picture."""
    source = media_file(MERIDIAN)
    ladder = LADDER.model_copy(
        update={"video": (VideoRung(id="l", height=720, crf=10, max_bitrate=40_000_000, buffer=60_000_000),)}
    )
    titles.make_title(source, tmp_path, ladder=ladder)
    filters = (
        "zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=bt709,tonemap=mobius:desat=0,"
        "zscale=t=bt709:m=bt709:r=limited,format=yuv420p"
    )
    output = ["-frames:v", "1", "-pix_fmt", "yuv420p", "-f", "rawvideo", "-"]
    ours = np.frombuffer(ffmpeg.run(["-i", str(tmp_path / "hls/l.m3u8"), *output]), np.uint8).astype(float)
    peer = np.frombuffer(ffmpeg.run(["-i", str(source), "-vf", filters, *output]), np.uint8).astype(float)
    luma = 1280 * 720
    assert np.abs(ours[:luma] - peer[:luma]).mean() < 4
    assert np.abs(ours[luma:] - peer[luma:]).mean() < 2
