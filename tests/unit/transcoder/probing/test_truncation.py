"""Sources that break off, or are damaged in the middle: what is there counts, and the report says so."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest
from support import clips, corpus, ffmpeg

from transcoder.media import MediaInfo
from transcoder.probe import probe


def probed(data: bytes) -> MediaInfo:
    return probe(io.BytesIO(data))


def count(path: Path) -> int:
    """Pictures that FFmpeg decodes of a damaged file."""
    command = [ffmpeg.REFERENCE, "-v", "quiet", "-nostdin", "-i", str(path), "-map", "0:v:0"]
    command += ["-fps_mode", "passthrough", "-f", "framemd5", "-"]
    text = subprocess.run(command, capture_output=True, check=False, timeout=60).stdout.decode()
    return sum(not line.startswith("#") for line in text.splitlines())


@pytest.mark.parametrize("name", ["fragmented mp4", "mkv h264 dts", "ts h264 aac", "avi mpeg4 mp3", "flv h264 aac"])
@pytest.mark.parametrize("share", [0.55, 0.8])
def test_what_is_there_of_a_truncated_source_counts(name: str, share: float, tmp_path: Path) -> None:
    whole = corpus.sample(name).read_bytes()
    path = tmp_path / "cut"
    path.write_bytes(whole[: int(len(whole) * share)])
    media = probed(path.read_bytes())
    assert media.main_video is not None
    # The last picture may be half there: then it is counted or not.
    assert abs(media.main_video.frame_count - count(path)) <= 1
    assert media.main_video.frame_count < 49
    assert media.truncated
    assert media.truncated == any("breaks off" in warning for warning in media.warnings)


def test_a_truncated_file_with_its_index_in_front(tmp_path: Path) -> None:
    path = tmp_path / "front.mp4"
    ffmpeg.run(["-i", str(corpus.sample("mp4 h264 aac")), "-c", "copy", "-movflags", "faststart", str(path)])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    media = probed(path.read_bytes())
    assert media.truncated
    assert media.main_video is not None
    assert abs(media.main_video.frame_count - count(path)) <= 1


def test_a_real_truncated_file() -> None:
    path = clips.media_file("odd/h264_displaymatrix.mp4")
    media = probed(path.read_bytes())
    assert media.truncated
    assert media.main_video is not None
    assert media.main_video.frame_count == count(path)


@pytest.mark.parametrize("name", corpus.CORPUS)
def test_whole_sources_are_not_called_truncated(name: str) -> None:
    assert not probed(corpus.sample(name).read_bytes()).truncated
