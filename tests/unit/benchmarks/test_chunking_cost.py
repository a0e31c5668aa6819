"""The cost of chunks: none where no buffer binds, and the figures are what they say."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from rich.console import Console
from support import clips

from benchmarks.chunking_cost import Run, compare, cost
from transcoder.ladder import Ladder, VideoRung
from transcoder.quality import PictureQuality

CLIP = clips.Clip(seconds=Fraction(10), width=160, height=96, keyframe_interval=75, audio=False)
LADDER = Ladder(
    name="free", segment_seconds=2,
    video=(VideoRung(id="v96", height=96, preset="veryfast", max_bitrate=20_000_000, buffer=40_000_000),),
)  # fmt: skip


def test_a_chunk_is_what_one_encoder_over_the_whole_title_makes(tmp_path: Path) -> None:
    result = compare(clips.cached(CLIP), LADDER, 2, tmp_path, Console(quiet=True))
    assert len(result["chunks"]) > 4
    [own] = result["costs"]
    assert own["pictures"] == 250
    assert (own["psnr"], own["ssim"], own["worst_join_psnr"], own["worst_psnr"]) == (0.0, 0.0, 0.0, 0.0)
    # Each encoder writes its own description of itself, some 700 bytes, into its first picture.
    assert own["bits"] >= 0


def _run(*psnr: float, bits: int = 1000) -> Run:
    return Run(tuple(PictureQuality(10 * n, value, 0.9) for n, value in enumerate(psnr)), bits)


def test_the_figures() -> None:
    found = cost("v", _run(40, 41, 42, 43), _run(40, 40, 42.5, 41, bits=1010), joins=[10], near=10)
    assert (found.pictures, found.joins) == (4, 1)
    assert found.psnr == pytest.approx(-0.625)
    assert found.worst_join_psnr == -1
    assert found.worst_psnr == 0
    assert found.bits == pytest.approx(0.01)
    assert found.vmaf is None


def test_other_pictures_cannot_be_compared() -> None:
    with pytest.raises(RuntimeError, match="other pictures"):
        cost("v", _run(40, 41), _run(40), joins=[], near=1)
