"""Clips with a known content: every frame carries its number, the sound clicks on every whole second.

The real clips lie in `../shared/media` beside the repository (or where FRAMEMILL_TEST_MEDIA points); on a
machine without them, clips of the same names and shapes are generated once into a cache.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from support import counter
from support.requirements import missing

__all__ = ["CLICK_RATE", "Clip", "cached", "click_positions", "generate", "media_dir", "media_file"]

REPOSITORY = Path(__file__).resolve().parents[2]
AUDIO_RATE = 48_000
AAC_FRAME = 1024
CLICK_RATE = 1
"""Clicks a second of the clip's clock; the first one is at 0."""

CLICK_SAMPLES = AUDIO_RATE // 200
"""A click is a burst of 5 ms."""


@dataclass(frozen=True)
class Clip:
    """What to generate. Times are seconds of the video's clock, on which frame n is shown at n / fps.

    `audio_offset` is where the first audio sample lies: above 0 the sound starts late, below 0 it starts
    before the picture. `dropped` frames are left out and the others keep their time: a variable frame rate.
    """

    seconds: Fraction = Fraction(4)
    fps: Fraction = Fraction(25)
    width: int = 320
    height: int = 180
    keyframe_interval: int = 50
    b_frames: int = 2
    audio: bool = True
    audio_offset: Fraction = Fraction(0)
    dropped: frozenset[int] = frozenset()
    crf: int = 20

    @property
    def frames(self) -> tuple[int, ...]:
        """The numbers of the frames that the clip has."""
        return tuple(n for n in range(int(self.seconds * self.fps)) if n not in self.dropped)

    @property
    def audio_samples(self) -> int:
        """Samples in the audio track: the sound ends with the picture."""
        return max(0, int((self.seconds - self.audio_offset) * AUDIO_RATE)) if self.audio else 0

    @property
    def name(self) -> str:
        """A file name that tells this clip from every other."""
        description = repr((self, counter.BITS)).replace(repr(self.dropped), repr(sorted(self.dropped)))
        return f"clip-{hashlib.sha256(description.encode()).hexdigest()[:16]}.mp4"


SUBSTITUTES = {
    "bbb_480p24_30s.mp4": Clip(seconds=Fraction(30), fps=Fraction(24), width=854, height=480, keyframe_interval=250),
    "bbb_720p25_5s.mp4": Clip(
        seconds=Fraction(132, 25), fps=Fraction(25), width=1280, height=720, keyframe_interval=250
    ),
    "street_1080p30_6s.mp4": Clip(
        seconds=Fraction(86, 15), fps=Fraction(30), width=1920, height=1080, keyframe_interval=250
    ),
}
"""Shapes of the real clips, by file name."""


def pictures(clip: Clip) -> Iterator[tuple[int, av.VideoFrame]]:
    """The numbered frames: a drifting texture, a bouncing box and the counter, in yuv420p."""
    rows, columns = np.mgrid[0 : clip.height, 0 : clip.width]
    texture = 110 + 50 * np.sin(columns / 17) * np.cos(rows / 11)
    chroma_rows, chroma_columns = np.mgrid[0 : clip.height // 2, 0 : clip.width // 2]
    box = max(4, clip.height // 6)
    for number in clip.frames:
        luma = np.roll(texture, (number, 2 * number), axis=(0, 1)).astype(np.uint8)
        left = abs((5 * number) % (2 * (clip.width - box)) - (clip.width - box))
        luma[clip.height // 2 : clip.height // 2 + box, left : left + box] = 210
        counter.draw(luma, number)
        blue = (128 + 60 * np.sin((chroma_columns + 3 * number) / 40)).astype(np.uint8)
        red = (128 + 60 * np.sin((chroma_rows + 2 * number) / 30)).astype(np.uint8)
        yield (
            number,
            av.VideoFrame.from_ndarray(
                np.concatenate([luma, blue.reshape(-1, clip.width), red.reshape(-1, clip.width)]), format="yuv420p"
            ),
        )


def sound(clip: Clip) -> NDArray[np.float32]:
    """The clip's samples: a quiet 440 Hz tone, and a loud burst on every whole second of the video's clock."""
    first = round(clip.audio_offset * AUDIO_RATE)
    clock = np.arange(first, first + clip.audio_samples)
    tone = 0.02 * np.sin(2 * np.pi * 440 * clock / AUDIO_RATE)
    burst = 0.7 * np.sin(2 * np.pi * 2000 * clock / AUDIO_RATE)
    clicking = clock % (AUDIO_RATE // CLICK_RATE) < CLICK_SAMPLES
    samples: NDArray[np.float32] = np.where(clicking, burst, tone).astype(np.float32)
    return samples


def click_positions(samples: NDArray[np.float32], rate: int) -> list[int]:
    """Where clicks begin in mono samples of shape (n,): sample positions, good to about a millisecond."""
    window = rate // 1000
    usable = samples[: len(samples) // window * window].reshape(-1, window)
    loud = np.sqrt((usable.astype(np.float64) ** 2).mean(axis=1)) > 0.15
    starts = np.flatnonzero(loud & ~np.concatenate([[False], loud[:-1]]))
    # Pre-echo and ringing of a lossy codec may split a burst: clicks are never closer than half a period.
    found: list[int] = []
    for start in (int(s) * window for s in starts):
        if not found or start - found[-1] > rate // (2 * CLICK_RATE):
            found.append(start)
    return found


def generate(clip: Clip, path: Path) -> Path:
    """Write the clip as MP4 (H.264, AAC mono). The file appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        draft = Path(folder) / "draft.mp4"
        _write(clip, draft)
        draft.replace(path)
    return path


def _write(clip: Clip, path: Path) -> None:
    # Before 0 there is no time: where the sound starts first, the picture is moved back instead.
    shift = max(Fraction(0), -clip.audio_offset)
    with av.open(path, "w", format="mp4") as output:
        video = output.add_stream("libx264", rate=clip.fps)
        video.width, video.height, video.pix_fmt = clip.width, clip.height, "yuv420p"
        video.codec_context.time_base = 1 / (clip.fps * 100)
        video.codec_context.gop_size = clip.keyframe_interval
        video.codec_context.thread_count = 1
        video.options = {
            "preset": "ultrafast", "crf": str(clip.crf), "bf": str(clip.b_frames),
            "x264-params": "scenecut=0",
        }  # fmt: skip
        audio = output.add_stream("aac", rate=AUDIO_RATE, layout="mono") if clip.audio_samples else None
        spoken = _blocks(clip, shift)
        block = next(spoken, None)
        for number, picture in pictures(clip):
            time = number / clip.fps + shift
            # In the order of time, so that the muxer interleaves as a camera does.
            while audio is not None and block is not None and block[0] <= time:
                output.mux(audio.encode(block[1]))
                block = next(spoken, None)
            picture.time_base = 1 / (clip.fps * 100)
            picture.pts = round(time * clip.fps * 100)
            output.mux(video.encode(picture))
        output.mux(video.encode(None))
        if audio is not None:
            while block is not None:
                output.mux(audio.encode(block[1]))
                block = next(spoken, None)
            output.mux(audio.encode(None))


def _blocks(clip: Clip, shift: Fraction) -> Iterator[tuple[Fraction, av.AudioFrame]]:
    samples = sound(clip)
    first = round((clip.audio_offset + shift) * AUDIO_RATE)
    for position in range(0, len(samples), AAC_FRAME):
        block = samples[position : position + AAC_FRAME].reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
        frame.sample_rate, frame.time_base = AUDIO_RATE, Fraction(1, AUDIO_RATE)
        frame.pts = first + position
        yield Fraction(frame.pts, AUDIO_RATE), frame


def cache_dir() -> Path:
    """Where generated clips are kept between runs."""
    return Path(os.environ.get("FRAMEMILL_TEST_CACHE", REPOSITORY / ".cache" / "clips"))


def cached(clip: Clip) -> Path:
    """The clip's file, generated on first use."""
    path = cache_dir() / clip.name
    return path if path.exists() else generate(clip, path)


def media_dir() -> Path:
    """The folder of real clips, or of their generated substitutes where that folder is missing."""
    real = Path(os.environ.get("FRAMEMILL_TEST_MEDIA", REPOSITORY.parent / "shared" / "media"))
    if real.is_dir():
        return real
    folder = cache_dir() / "media"
    for name, clip in SUBSTITUTES.items():
        if not (folder / name).exists():
            generate(clip, folder / name)
    return folder


def media_file(name: str) -> Path:
    """One clip of the media folder. Where it is neither there nor can be generated, the test is skipped."""
    path = media_dir() / name
    if not path.exists():
        # Never a failure: these files are not part of the project, and no service could be started for them.
        missing(f"the media file {name}", variable="REQUIRE_MEDIA")
    return path
