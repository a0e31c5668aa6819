"""What a task takes of a machine's memory, and that the length of a title has no part in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import ffmpeg
from support.task_memory import Kind, peak_of

MB = 1_000_000

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("memory")


@pytest.fixture(scope="module")
def large(folder: Path) -> Path:
    """80 s of 1080p with motion and noise: long enough for a chunk of the largest kind."""
    picture = "testsrc2=s=1920x1080:r=30:d=80,noise=alls=8:allf=t:all_seed=3"
    path = folder / "large.mp4"
    ffmpeg.make(["-f", "lavfi", "-i", picture, "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast",
                 "-crf", "28", str(path)])  # fmt: skip
    return path


@pytest.fixture(scope="module")
def lengths(folder: Path) -> tuple[Path, Path]:
    """The same minute of picture and sound, two minutes long and two hours."""
    minute = folder / "minute.mp4"
    ffmpeg.make(
        ["-f", "lavfi", "-i", "testsrc2=s=320x240:r=25:d=60", "-f", "lavfi", "-i", "sine=r=48000:d=60",
         "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "veryfast", "-g", "100", "-c:a", "aac", str(minute)]
    )  # fmt: skip
    paths = []
    for times in (2, 120):
        path = folder / f"{times}.mp4"
        ffmpeg.make(["-stream_loop", str(times - 1), "-i", str(minute), "-c", "copy", str(path)])
        paths.append(path)
    return paths[0], paths[1]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_chunk_of_1080p_on_five_rungs(large: Path, threads: int) -> None:
    assert peak_of("video", large, threads=threads) <= 700 * MB


@pytest.mark.parametrize(("kind", "more"), [("probe", 60 * MB), ("video", 30 * MB), ("audio", 30 * MB)])
def test_two_hours_take_no_more_than_two_minutes(lengths: tuple[Path, Path], kind: Kind, more: int) -> None:
    """The analysis keeps the times of the pictures, eight bytes and more for each of 180,000; nothing else grows."""
    short, long = (peak_of(kind, path) for path in lengths)
    assert long <= short + more
