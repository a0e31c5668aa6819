"""The meters against an independent FFmpeg: the same pictures, what came out, and its own `psnr`, `ssim`, `libvmaf`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from support import ffmpeg

from transcoder.errors import ResourceMissingError
from transcoder.ladder import QualityRequest, Rendition
from transcoder.lanes.rung import RungEncoder
from transcoder.plan import VideoTrack
from transcoder.quality import PictureQuality
from transcoder.vbv import Budget

WIDTH, HEIGHT, PICTURES, STEP = 192, 112, 60, 512
SEGMENT = 25
FORMS = {8: "yuv420p", 10: "yuv420p10le"}

Encoded = tuple[tuple[PictureQuality, ...], Path]


@pytest.fixture
def originals(tmp_path: Path) -> Callable[[int], Path]:
    """Raw pictures with motion, detail and noise, by their bits."""

    def make(bits: int) -> Path:
        path = tmp_path / f"originals{bits}.yuv"
        graph = f"testsrc2=size={WIDTH}x{HEIGHT}:rate=25,noise=alls=4:allf=t:all_seed=5"
        ffmpeg.run(["-f", "lavfi", "-i", graph, "-frames:v", str(PICTURES), "-pix_fmt", FORMS[bits], "-f", "rawvideo",
                    str(path)])  # fmt: skip
        return path

    return make


def pictures(path: Path, bits: int) -> Iterator[av.VideoFrame]:
    size = WIDTH * HEIGHT * 3 // 2 * (2 if bits > 8 else 1)
    data = path.read_bytes()
    for number in range(PICTURES):
        raw = np.frombuffer(data[number * size : (number + 1) * size], np.uint16 if bits > 8 else np.uint8)
        frame = av.VideoFrame.from_ndarray(raw.reshape(HEIGHT * 3 // 2, WIDTH), FORMS[bits])
        frame.pts, frame.time_base = number * STEP, Fraction(1, 12_800)
        yield frame


def encode(folder: Path, originals: Path, codec: str, preset: str, bits: int, *, vmaf: bool, threads: int) -> Encoded:
    rendition = Rendition.model_validate(
        {"id": "v", "codec": codec, "width": WIDTH, "height": HEIGHT, "bits": bits, "preset": preset, "crf": 22,
         "max_bitrate": 1_000_000, "buffer": 1_500_000}
    )  # fmt: skip
    track = VideoTrack(
        stream_index=0, origin_pts=0, time_base=Fraction(1, 12_800), timescale=12_800, frame_rate=Fraction(25),
        frame_count=PICTURES, renditions=(rendition,), quality=QualityRequest(vmaf=vmaf),
    )  # fmt: skip
    path = folder / "encoded.mp4"
    encoder = RungEncoder(rendition, track, Budget(1_000_000, 1_500_000, 1_000_000), path, threads)
    for number, frame in enumerate(pictures(originals, bits)):
        encoder.encode(frame, starts_segment=number % SEGMENT == 0)
    encoder.finish(PICTURES * STEP)
    return encoder.quality, path


def measured(originals: Path, encoded: Path, bits: int, filters: str, log: str) -> str:
    """What FFmpeg's filter writes about each picture."""
    raw = ["-f", "rawvideo", "-pix_fmt", FORMS[bits], "-s", f"{WIDTH}x{HEIGHT}", "-r", "25", "-i", str(originals)]
    file = originals.parent / log
    ffmpeg.run(
        ["-i", str(encoded), *raw, "-lavfi", f"[0:v]setpts=N/25/TB[a];[1:v]setpts=N/25/TB[b];[a][b]{filters}={file}",
         "-f", "null", "-"]
    )  # fmt: skip
    return file.read_text()


def numbers(text: str, name: str) -> list[float]:
    return [float(found) for found in re.findall(rf"{name}:([0-9.]+)", text)]


CODECS = [("h264", "veryfast", 8), ("h264", "medium", 10), ("hevc", "fast", 8), ("hevc", "fast", 10), ("av1", "8", 10)]


@pytest.mark.parametrize(("codec", "preset", "bits"), CODECS)
def test_psnr_and_ssim(originals: Callable[[int], Path], tmp_path: Path, codec: str, preset: str, bits: int) -> None:
    source = originals(bits)
    quality, path = encode(tmp_path, source, codec, preset, bits, vmaf=False, threads=2 if codec == "h264" else 1)
    psnr = numbers(measured(source, path, bits, "psnr=stats_file", "psnr"), "psnr_y")
    ssim = numbers(measured(source, path, bits, "ssim=stats_file", "ssim"), "Y")
    assert len(psnr) == len(ssim) == PICTURES
    every = 1 if codec == "h264" else 5
    expected = [number for start in range(0, PICTURES, SEGMENT)
                for number in range(start, min(start + SEGMENT, PICTURES), every)]  # fmt: skip
    assert [picture.tick for picture in quality] == [number * STEP for number in expected]
    # What libx264 says differs a little: see its meter.
    near = 0.15 if codec == "h264" else 0.01
    for picture, number in zip(quality, expected, strict=True):
        assert picture.psnr == pytest.approx(psnr[number], abs=near)
        assert picture.ssim == pytest.approx(ssim[number], abs=near / 10)
        assert picture.vmaf is None


@pytest.mark.parametrize(("codec", "preset", "bits"), [("h264", "veryfast", 8), ("hevc", "fast", 10)])
def test_vmaf(originals: Callable[[int], Path], tmp_path: Path, codec: str, preset: str, bits: int) -> None:
    source = originals(bits)
    quality, path = encode(tmp_path, source, codec, preset, bits, vmaf=True, threads=1)
    document = json.loads(measured(source, path, bits, "libvmaf=log_fmt=json:log_path", "vmaf"))
    scores = [frame["metrics"]["vmaf"] for frame in document["frames"]]
    assert [picture.tick for picture in quality] == [number * STEP for number in range(PICTURES)]
    assert [picture.vmaf for picture in quality] == pytest.approx(scores, abs=0.01)
    psnr = numbers(measured(source, path, bits, "psnr=stats_file", "psnr"), "psnr_y")
    assert [picture.psnr for picture in quality] == pytest.approx(psnr, abs=0.01)


def test_each_run_makes_the_same_bytes_however_it_is_measured(originals: Callable[[int], Path], tmp_path: Path) -> None:
    """The same bytes, whether libx264 measures or what it made is decoded and compared."""
    source = originals(8)
    made = set()
    for number, vmaf in enumerate((False, True, False, True, False)):
        folder = tmp_path / str(number)
        folder.mkdir()
        made.add(encode(folder, source, "h264", "veryfast", 8, vmaf=vmaf, threads=1)[1].read_bytes())
    assert len(made) == 1


def test_vmaf_without_its_package(
    originals: Callable[[int], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ResourceMissingError, match="imageio-ffmpeg"):
        encode(tmp_path, originals(8), "h264", "veryfast", 8, vmaf=True, threads=1)
