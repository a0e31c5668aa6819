"""All eight ways of holding a camera, and what a container crops: as FFmpeg shows it."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support import ffmpeg
from support.edits import box, with_sample_entry_box

from transcoder.media import VideoStream
from transcoder.probe import probe

WIDTH, HEIGHT = 96, 64


@pytest.fixture(scope="module")
def level(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One picture as a camera that stands upright takes it."""
    path = tmp_path_factory.mktemp("orientation") / "level.mp4"
    source = f"testsrc2=size={WIDTH}x{HEIGHT}:rate=10:duration=0.3"
    ffmpeg.run(["-f", "lavfi", "-i", source, "-c:v", "libx264", "-pix_fmt", "yuv420p", str(path)])
    return path


def stream(data: bytes) -> VideoStream:
    found = probe(io.BytesIO(data)).main_video
    assert found is not None
    return found


def luma(path: Path, width: int, *options: str) -> NDArray[np.uint8]:
    raw = ffmpeg.run([*options, "-i", str(path), "-frames:v", "1", "-vf", "extractplanes=y", "-f", "rawvideo", "-"])
    return np.frombuffer(raw, np.uint8).reshape(-1, width)


@pytest.mark.parametrize("flipped", [(), ("-display_hflip",), ("-display_vflip",)], ids=["plain", "hflip", "vflip"])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_turned_and_flipped_as_ffmpeg_does(level: Path, tmp_path: Path, degrees: int, flipped: tuple[str, ...]) -> None:
    path = tmp_path / "turned.mov"
    ffmpeg.run(["-display_rotation", str(degrees), *flipped, "-i", str(level), "-c", "copy", str(path)])
    found = stream(path.read_bytes())
    assert (found.width, found.height) == (WIDTH, HEIGHT)
    picture = luma(path, WIDTH, "-noautorotate")
    if found.mirrored:
        picture = picture[:, ::-1]
    upright = np.rot90(picture, -found.rotation // 90)
    assert found.display_size == upright.shape[::-1]
    assert np.array_equal(upright, luma(path, upright.shape[1]))


def test_an_odd_angle_becomes_the_nearest_quarter(level: Path, tmp_path: Path) -> None:
    path = tmp_path / "turned.mov"
    ffmpeg.run(["-display_rotation", "-80", "-i", str(level), "-c", "copy", str(path)])
    media = probe(io.BytesIO(path.read_bytes()))
    assert media.main_video is not None
    assert media.main_video.rotation == 90
    assert any("nearest quarter" in warning for warning in media.warnings)


def test_a_clean_aperture_is_cut_out(level: Path) -> None:
    # Width, height, and how far the centre lies to the right and below: ISO/IEC 14496-12, 12.1.4.
    clap = box(b"clap", struct.pack(">8i", 80, 1, 48, 1, -2, 1, 4, 1))
    found = stream(with_sample_entry_box(level.read_bytes(), clap))
    assert (found.width, found.height) == (80, 48)
    assert found.crop == (12, 4, 6, 10)
