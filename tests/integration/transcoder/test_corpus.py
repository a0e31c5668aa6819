"""Every real file: a package that passes the verifier and has the source's pictures, or the documented refusal.

How many pictures there are, and when each is shown, comes from another FFmpeg. Where a title has other pictures than
that one counts, the table says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pytest
from support import clips, ffmpeg, titles
from support.titles import Title

from transcoder.errors import UnsupportedMediaError
from transcoder.ladder import BUILT_IN, Ladder, VideoRung
from transcoder.packaging.package import init_path, segment_path
from transcoder.verification import folder_opener, verify_package

SMALL = Ladder(
    name="small",
    segment_seconds=2,
    video=(
        VideoRung(id="v120", height=120, max_bitrate=400_000, buffer=600_000, preset="ultrafast"),
        VideoRung(id="v64", height=64, max_bitrate=150_000, buffer=225_000, preset="ultrafast"),
    ),
)


@dataclass(frozen=True)
class Expected:
    """What a file becomes: a package, whose report counts so many `lost` and `mended` pictures, or a refusal for a
    reason that matches `refused`."""

    lost: int = 0
    mended: int = 0
    refused: str | None = None


CORPUS: dict[str, Expected] = {
    "bbb_480p24_30s.mp4": Expected(),
    "bbb_720p25_5s.mp4": Expected(),
    "nasa_2video_2audio_subs_13s.mp4": Expected(),
    "street_1080p30_6s.mp4": Expected(),
    "odd/av1_av1-1-b10-23-film_grain-50.mp4": Expected(),
    "odd/av1_av1-1-b8-03-sizeup.mp4": Expected(),
    "odd/h264_242_4.mkv": Expected(),
    "odd/h264_brokensps.mp4": Expected(),
    # The file ends within its last picture, which no decoder shows and the probe does not count.
    "odd/h264_displaymatrix.mp4": Expected(),
    # Damaged from its first picture to its last one; decoders conceal it, each in its own way.
    "odd/h264_empty_edit_5s.mp4": Expected(mended=29),
    "odd/h264_interlaced_crop.mp4": Expected(),
    "odd/h264_mov-3elist-encrypted.mp4": Expected(refused="encrypted|no picture can be decoded"),
    "odd/h264_mov_neg_first_pts_discard.mp4": Expected(),
    "odd/h264_mp4-init-nonkeyframe.mp4": Expected(),
    "odd/h264_nellymoser-discont.mp4": Expected(),
    "odd/hevc_dovi-p81.mp4": Expected(),
    "odd/hevc_hdr10tags-both.mkv": Expected(),
    # Cut out of a broadcast: begins within a group of pictures, and one picture on the way is damaged.
    "odd/mpeg2video_PVA_test-partial.mp4": Expected(mended=1),
    "odd/prores_Meridian-Apple_ProResProxy-HDR10.mp4": Expected(),
    "odd/vp8_dash_video2.mp4": Expected(),
    "odd/wmv3_SMM0005.mp4": Expected(),
}


def test_every_real_file_is_in_the_table() -> None:
    folder = clips.media_dir()
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.suffix != ".md"}
    assert found <= set(CORPUS)


@pytest.mark.parametrize("name", CORPUS)
def test_a_real_file(name: str, tmp_path: Path) -> None:
    check(name, SMALL, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("name", CORPUS)
def test_a_real_file_on_the_default_ladder(name: str, tmp_path: Path) -> None:
    check(name, BUILT_IN["h264"], tmp_path)


def check(name: str, ladder: Ladder, folder: Path) -> None:
    expected, path = CORPUS[name], clips.media_file(name)
    if expected.refused is not None:
        with pytest.raises(UnsupportedMediaError, match=expected.refused):
            titles.make_title(path, folder, ladder=ladder)
        return
    title = titles.make_title(path, folder, ladder=ladder)
    package = title.package()
    report = verify_package(
        folder_opener(folder), plan=title.plan, media=title.media, package=package, decode=True
    )  # fmt: skip
    report.require_ok()
    assert report.notes == ()
    assert (package.lost, package.repeated) == (expected.lost, 0)
    assert sum(part.mended for part in title.video.values()) == expected.mended
    source = title.media.main_video
    assert source is not None
    frames = ffmpeg.stored_frames(path, source.index)
    times = [frame.time - frames[0].time for frame in frames]
    for video in package.video:
        assert [frame.time for frame in ffmpeg.decode_frames(_joined(title, video.id))] == times
        last = frames[-1].duration or times[-1] / max(1, len(times) - 1)
        assert abs(video.end - (times[-1] + last)) <= max(last, Fraction(1, 10))


def _joined(title: Title, rendition: str) -> Path:
    """The init segment and all segments of a rendition in one file."""
    path = title.folder / f"{rendition}.mp4"
    with path.open("wb") as file:
        file.write((title.folder / init_path(rendition)).read_bytes())
        for segment in title.plan.segments:
            file.write((title.folder / segment_path(rendition, segment.number, "video")).read_bytes())
    return path
