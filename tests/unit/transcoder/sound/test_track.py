"""The audio task: sample n of the title is sample n of the rendition, across every part."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from support import clips, ffmpeg

from transcoder.ladder import Ladder, VideoRung
from transcoder.part import make_audio_parts
from transcoder.plan import Plan, plan_title
from transcoder.probe import probe
from transcoder.results import RenditionPart

AAC_FRAME = 1024

LADDER = Ladder(
    name="small", segment_seconds=1, video=(VideoRung(id="v90", height=90, max_bitrate=200_000, buffer=300_000),)
)


def encode(path: Path, folder: Path) -> tuple[Plan, list[RenditionPart], Path]:
    joined, parts = folder / "joined.mp4", []
    with path.open("rb") as file, joined.open("wb") as out:
        media = probe(file)
        plan = plan_title(media, LADDER, slots=2)
        assert media.main_video is not None
        own = folder / "audio"
        own.mkdir()
        for made in make_audio_parts(file, plan.audio[0], plan.chunks, own, origin=media.main_video.start):
            if made.index == 0:
                out.write(made.files["a0/init.mp4"].read_bytes())
            for part in made.renditions:
                parts.append(part)
                for segment in part.segments:
                    out.write(made.files[f"a0/{segment.number}.m4s"].read_bytes())
    return plan, parts, joined


@pytest.mark.parametrize("offset", [Fraction(0), Fraction(1, 3), Fraction(-2, 3)], ids=["together", "late", "early"])
def test_sound_stays_where_it_was(offset: Fraction, tmp_path: Path) -> None:
    clip = clips.Clip(seconds=Fraction(5), audio_offset=offset)
    path = clips.cached(clip)
    plan, parts, joined = encode(path, tmp_path)
    assert parts[0].start == 0
    assert all(a.end == b.start for a, b in pairwise(parts))
    last = parts[-1].end
    assert last is not None
    assert plan.duration * 48_000 <= last < plan.duration * 48_000 + 2 * AAC_FRAME
    assert ffmpeg.audio_samples(joined) == last
    start = ffmpeg.decode_frames(path)[0].time
    expected = [time - start for time in ffmpeg.click_times(path) if time - start >= Fraction(1, 20)]
    found = [time for time in ffmpeg.click_times(joined) if time >= Fraction(1, 20)]
    assert len(found) == len(expected) >= 3
    assert all(abs(a - b) <= Fraction(1, 1000) for a, b in zip(expected, found, strict=True))


def test_parts_meet_the_chunks_within_one_frame(tmp_path: Path) -> None:
    plan, parts, _ = encode(clips.cached(clips.Clip(seconds=Fraction(5), fps=Fraction(30000, 1001))), tmp_path)
    for chunk, part in zip(plan.chunks, parts, strict=True):
        assert [segment.number for segment in part.segments] == [segment.number for segment in chunk.segments]
        assert part.start is not None
        assert 0 <= part.start - chunk.start * 48_000 < AAC_FRAME


def test_the_encoder_is_reproducible(tmp_path: Path) -> None:
    path = clips.cached(clips.Clip(seconds=Fraction(3)))
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    assert encode(path, tmp_path / "one")[1] == encode(path, tmp_path / "two")[1]
