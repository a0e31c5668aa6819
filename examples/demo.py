"""The whole way of a video, once: upload, first picture while the work goes on, READY, and a check of every rendition.

Starts `framemill serve` with everything embedded in a temporary folder, and is a plain client of its HTTP API. At the
end an FFmpeg that is not the encoder's decodes every rendition in full over HTTP and counts its frames.

    make demo [SOURCE=clip.mp4]

Exit codes: 0 all is well, 3 the source is not usable, 4 a check failed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from support import clips, ffmpeg, hls
from support.service import Client, ServiceError, serve

CLIP = clips.Clip(seconds=Fraction(16), fps=Fraction(25), width=1280, height=720, keyframe_interval=100)

USAGE, UNUSABLE, CHECK_FAILED = 2, 3, 4


@dataclass(frozen=True)
class Outcome:
    """What the demo has seen. Times are seconds since the job was asked for."""

    video: dict[str, Any]
    job: dict[str, Any]
    playback: dict[str, Any]
    playable_seconds: float
    total_seconds: float


def run(client: Client, source: Path, console: Console) -> Outcome | None:
    """Upload and transcode. None where the source is not usable; the reason is printed."""
    created = client.upload(source)
    console.print(f"uploaded {source.name}, {source.stat().st_size / 1e6:.1f} MB: video {created['videoId']}")
    start = time.monotonic()
    job = client.transcode(created["videoId"])
    playable_seconds: float | None = None
    for event in client.events(job["id"]):
        job = event["job"]
        seconds = time.monotonic() - start
        playable, progress = job["playable"], job["progress"]
        console.print(
            f"{seconds:6.1f} s  {event['type']:14} tasks {progress['tasksCommitted']}/{progress['tasksTotal']}  "
            f"playable {playable['seconds']:.1f} of {playable['totalSeconds']:.1f} s",
            style="dim",
        )
        if playable_seconds is None and playable["segments"]:
            # Said to be playable is not enough: the first segments are fetched as a player would.
            served = hls.fetch_first_segments(client.playback(created["videoId"])["hlsUrl"])
            playable_seconds = time.monotonic() - start
            console.print(
                f"playable after {playable_seconds:.1f} s: the first segments of {served} renditions are served"
            )
    total_seconds = time.monotonic() - start
    video = client.get(f"/v1/videos/{created['videoId']}")
    if job["status"] != "SUCCEEDED" or playable_seconds is None:
        error = job["error"] or {}
        console.print(f"[red]the job ended as {job['status']}: {error.get('code')}: {error.get('message')}")
        return None
    return Outcome(video, job, client.playback(created["videoId"]), playable_seconds, total_seconds)


def decoded(master: str) -> tuple[list[int], list[int]]:
    """Frames of every video rendition and samples of every audio rendition, decoded in full."""
    playlists = hls.media_playlists(master)
    frames = [len(ffmpeg.decode_frames(playlist)) for playlist in playlists.video]
    return frames, [ffmpeg.audio_samples(playlist) for playlist in playlists.audio]


def frames_of(source: Path) -> int:
    """Frames in the largest picture stream of the source, by the same independent decoder, damaged ones too; 0 where
    it has none."""
    streams = [
        stream
        for stream in ffmpeg.ffprobe_json(source)["streams"]
        if stream["codec_type"] == "video" and not stream["disposition"]["attached_pic"]
    ]
    if not streams:
        return 0
    largest = max(streams, key=lambda stream: stream["width"] * stream["height"])
    return len(ffmpeg.stored_frames(source, largest["index"]))


def show(outcome: Outcome, frames: list[int], samples: list[int], expected: int, console: Console) -> None:
    """Print what was made."""
    table = Table(title="Renditions, as another decoder reads them")
    for heading in ("rendition", "codecs", "picture", "kbit/s", "MB", "decoded"):
        table.add_column(heading, justify="left" if heading in ("rendition", "codecs") else "right")
    counts = {"video": iter(frames), "audio": iter(samples)}
    for rendition in outcome.job["renditions"]:
        kind = rendition["kind"]
        count = next(counts.get(kind, iter(())), 0)
        whole = {"video": f"{count} of {expected} frames", "audio": f"{count} samples"}.get(kind, kind)
        table.add_row(
            rendition["id"], rendition["codecs"],
            f"{rendition['width']}x{rendition['height']}" if rendition["width"] else "",
            f"{(rendition['averageBandwidth'] or 0) / 1000:.0f}", f"{rendition['sizeBytes'] / 1e6:.2f}", whole,
        )  # fmt: skip
    console.print(table)
    summary = Table(show_header=False, title="The job")
    summary.add_row("first segment playable after", f"{outcome.playable_seconds:.1f} s")
    summary.add_row("READY after", f"{outcome.total_seconds:.1f} s")
    summary.add_row("length of the video", f"{outcome.playback['durationSeconds']:.2f} s")
    report = outcome.job["report"]
    summary.add_row("chunks, segments", f"{report['chunks']}, {report['segments']}")
    summary.add_row("text", ", ".join(r["language"] or r["id"] for r in report["renditions"] if r["kind"] == "text"))
    roles = [image["role"] for image in report["images"]]
    summary.add_row("posters, sprite sheets", f"{roles.count('poster')}, {roles.count('sprite')}")
    summary.add_row("video", outcome.video["status"])
    console.print(summary)
    console.print(f"HLS:  {outcome.playback['hlsUrl']}", soft_wrap=True)
    console.print(f"DASH: {outcome.playback['dashUrl']}", soft_wrap=True)


def main() -> int:
    """Run the demo; gives the exit code."""
    parser = argparse.ArgumentParser(description="Upload a clip, wait until it plays, decode every rendition.")
    parser.add_argument("--source", type=Path, help="a video file; without one, a numbered test clip is generated")
    options = parser.parse_args()
    console = Console()
    if options.source is not None and not options.source.is_file():
        console.print(f"[red]there is no file {options.source}")
        return USAGE
    with tempfile.TemporaryDirectory(prefix="framemill-demo-") as folder:
        source: Path = options.source or clips.generate(CLIP, Path(folder) / "numbered.mp4")
        console.print("starting PostgreSQL, Valkey, Ray, the HTTP and the gRPC API ...")
        with serve(Path(folder) / "data") as service:
            console.print(f"serving on {service.http_url}, gRPC on {service.grpc_address}")
            try:
                outcome = run(service.client, source, console)
            except ServiceError as error:
                console.print(f"[red]{error}")
                return UNUSABLE if " 415 " in str(error) else CHECK_FAILED
            if outcome is None:
                return CHECK_FAILED
            # Where the source shows one picture for long, the title may have it several times.
            repeated = (outcome.job["report"].get("pictures") or {}).get("repeated", 0)
            expected = frames_of(source) + repeated
            frames, samples = decoded(outcome.playback["hlsUrl"])
            show(outcome, frames, samples, expected, console)
    ready = outcome.video["status"] == "READY"
    kinds = [rendition["kind"] for rendition in outcome.job["renditions"]]
    complete = (len(frames), len(samples)) == (kinds.count("video"), kinds.count("audio"))
    whole = complete and bool(kinds) and all(count == expected for count in frames) and all(samples)
    console.print("[green]every rendition decodes in full" if ready and whole else "[red]the package is not whole")
    return 0 if ready and whole else CHECK_FAILED


if __name__ == "__main__":
    sys.exit(main())
