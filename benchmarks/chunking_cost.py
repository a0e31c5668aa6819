"""What cutting a title into chunks costs: the same source in one chunk and in many, picture by picture.

Both runs have the same segments, so the same keyframes, and go through the same chunk encoder; only where one encoder
ends and the next begins differs. Every picture is decoded again and compared with the scaled picture that went into its
encoder: PSNR and SSIM of luma, and VMAF (transcoder/quality). Nothing here measures time.

    python -m benchmarks.chunking_cost [--source FILE] [--ladder NAME or FILE] [--slots 2] [--without-vmaf]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from statistics import fmean
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.machine import describe
from transcoder.chunk import encode_chunk, seek_points
from transcoder.isobmff import read_init, read_segment
from transcoder.ladder import Ladder
from transcoder.ladder_file import load_ladder
from transcoder.lanes import open_lane
from transcoder.media import MediaInfo
from transcoder.plan import Chunk, Plan, plan_title
from transcoder.probe import probe
from transcoder.quality import PictureQuality

REPOSITORY = Path(__file__).resolve().parents[1]
CLIP = REPOSITORY.parent / "shared" / "media" / "bbb_480p24_30s.mp4"
RESULTS = REPOSITORY / "benchmarks" / "results"

NEAR_JOIN = Fraction(1, 2)
"""Seconds before and after a join within which a picture counts as at the join."""


@dataclass(frozen=True)
class Run:
    """One rendition of one run. Pictures by time; `bits` of all samples."""

    pictures: tuple[PictureQuality, ...]
    bits: int


@dataclass(frozen=True)
class Cost:
    """What the chunks changed in one rendition: chunked minus whole, so below 0 is worse (above 0, of bits).

    `worst_join_psnr` is the largest loss of a picture at a join; `bits` is relative.
    """

    rendition: str
    pictures: int
    joins: int
    whole_psnr: float
    psnr: float
    ssim: float
    vmaf: float | None
    worst_join_psnr: float
    worst_psnr: float
    bits: float


def run(source: Path, media: MediaInfo, plan: Plan, chunks: Sequence[Chunk], folder: Path) -> dict[str, Run]:
    """Encode a title chunk by chunk; what became of each rendition."""
    track, stream = plan.video, media.main_video
    assert track is not None and stream is not None
    pictures: dict[str, list[PictureQuality]] = {rendition.id: [] for rendition in track.renditions}
    bits = dict.fromkeys(pictures, 0)
    for place, chunk in enumerate(chunks):
        following = chunks[place + 1].segments[0] if place + 1 < len(chunks) else None
        with tempfile.TemporaryDirectory(dir=folder) as own, source.open("rb") as file:
            encoded = encode_chunk(
                file, track, chunk, Path(own), lane=open_lane("cpu"), seek=seek_points(stream, track, chunk),
                following=following,
            )  # fmt: skip
            for rendition in track.renditions:
                pictures[rendition.id] += encoded.quality[rendition.id]
                bits[rendition.id] += 8 * _sample_bytes(encoded.files[rendition.id])
    return {name: Run(tuple(found), bits[name]) for name, found in pictures.items()}


def _sample_bytes(path: Path) -> int:
    """Bytes of the samples in a fragmented MP4 file of one track."""
    data = path.read_bytes()
    boxes = list(_boxes(data))
    moov = next(span for name, span in boxes if name == b"moov")
    init = read_init(data[: moov.stop])
    starts = [span.start for name, span in boxes if name == b"moof"]
    ends = [*starts[1:], next((span.start for name, span in boxes if name == b"mfra"), len(data))]
    fragments = (read_segment(data[start:end], init) for start, end in zip(starts, ends, strict=True))
    return sum(sample.size for fragment in fragments for sample in fragment.samples)


def _boxes(data: bytes) -> Iterator[tuple[bytes, range]]:
    position = 0
    while position < len(data):
        size = int.from_bytes(data[position : position + 4])
        yield data[position + 4 : position + 8], range(position, position + size)
        position += size


def cost(rendition: str, whole: Run, chunked: Run, joins: Sequence[int], near: int) -> Cost:
    """Compare two runs. `joins` and `near` are ticks. Errors: RuntimeError where they have other pictures."""
    if [picture.tick for picture in whole.pictures] != [picture.tick for picture in chunked.pictures]:
        raise RuntimeError(f"{rendition}: the two runs have other pictures")
    pairs = list(zip(whole.pictures, chunked.pictures, strict=True))
    at_joins = [
        after.psnr - before.psnr for before, after in pairs if any(abs(before.tick - join) <= near for join in joins)
    ]
    vmaf = [after.vmaf - before.vmaf for before, after in pairs if before.vmaf is not None and after.vmaf is not None]
    return Cost(
        rendition=rendition, pictures=len(pairs), joins=len(joins),
        whole_psnr=fmean(before.psnr for before, _ in pairs),
        psnr=fmean(after.psnr - before.psnr for before, after in pairs),
        ssim=fmean(after.ssim - before.ssim for before, after in pairs), vmaf=fmean(vmaf) if vmaf else None,
        worst_join_psnr=min(at_joins, default=0.0),
        worst_psnr=min(chunked.pictures, key=_psnr).psnr - min(whole.pictures, key=_psnr).psnr,
        bits=chunked.bits / whole.bits - 1,
    )  # fmt: skip


def _psnr(picture: PictureQuality) -> float:
    return picture.psnr


def compare(source: Path, ladder: Ladder, slots: int, folder: Path, console: Console) -> dict[str, Any]:
    """Both runs; the result document."""
    with source.open("rb") as file:
        media = probe(file)
    plan = plan_title(media, ladder, slots=slots)
    track = plan.video
    if track is None:
        raise RuntimeError("the source has no picture")
    console.print(f"{len(plan.segments)} segments, {len(plan.chunks)} chunks, {track.frame_count} pictures")
    whole = run(source, media, plan, (Chunk(index=0, segments=plan.segments),), folder)
    chunked = run(source, media, plan, plan.chunks, folder)
    joins = [int(chunk.start * track.timescale) for chunk in plan.chunks[1:]]
    near = int(NEAR_JOIN * track.timescale)
    costs = [cost(rendition.id, whole[rendition.id], chunked[rendition.id], joins, near)
             for rendition in track.renditions]  # fmt: skip
    return {
        "subject": "chunking_cost",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": describe(),
        "source": {"name": source.name, "seconds": float(media.duration), "frames": track.frame_count},
        "ladder": ladder.model_dump(mode="json"),
        "chunks": [len(chunk.segments) for chunk in plan.chunks],
        "costs": [asdict(own) for own in costs],
    }


def show(result: dict[str, Any], console: Console) -> None:
    """Print what the chunks changed."""
    table = Table(title=f"{len(result['chunks'])} chunks against one, {result['source']['seconds']:.0f} s of source")
    for heading in ("rendition", "mean PSNR", "SSIM", "VMAF", "worst picture at a join", "worst picture", "bits"):
        table.add_column(heading, justify="right")
    for own in result["costs"]:
        vmaf = "" if own["vmaf"] is None else f"{own['vmaf']:+.3f}"
        table.add_row(
            own["rendition"], f"{own['whole_psnr']:.2f} {own['psnr']:+.3f} dB", f"{own['ssim']:+.5f}", vmaf,
            f"{own['worst_join_psnr']:+.2f} dB", f"{own['worst_psnr']:+.2f} dB", f"{100 * own['bits']:+.2f} %",
        )  # fmt: skip
    console.print(table)


def main() -> None:
    """Run the benchmark and keep its result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--source", type=Path, default=CLIP)
    parser.add_argument("--ladder", default="h264")
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--without-vmaf", action="store_true")
    options = parser.parse_args()
    console = Console()
    ladder = load_ladder(options.ladder)
    quality = ladder.quality.model_copy(update={"vmaf": not options.without_vmaf})
    ladder = ladder.model_copy(update={"quality": quality})
    with tempfile.TemporaryDirectory(prefix="framemill-bench-") as scratch:
        result = compare(options.source, ladder, options.slots, Path(scratch), console)
    show(result, console)
    RESULTS.mkdir(exist_ok=True)
    target = RESULTS / f"chunking_cost-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    target.write_text(json.dumps(result, indent=2) + "\n")
    console.print(f"kept in {target.relative_to(REPOSITORY)}")


if __name__ == "__main__":
    main()
