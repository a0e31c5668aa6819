"""What the command line shows people: one function a table. JSON is for machines and does not come from here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from transcoder.media import MediaInfo
from transcoder.plan import Plan
from transcoder.trick import TRICK
from transcoder.verification import VerifyReport

__all__ = ["media", "plan", "report", "verification"]


def media(console: Console, info: MediaInfo) -> None:
    """What a source contains."""
    console.print(f"[bold]{info.container}[/bold]  {_size(info.size_bytes)}  {float(info.duration):.3f} s")
    table = Table("stream", "kind", "codec", "format", "rate", "frames", "start", "end")
    for video in info.video:
        shape = f"{video.width}x{video.height} {video.pixel_format}"
        if video.rotation:
            shape += f" turned {video.rotation}°"
        rate = _rate(video.frame_rate) + ("" if video.constant_frame_rate else " (variable)")
        kind = "picture" if video.attached_picture else "video"
        table.add_row(str(video.index), kind, video.codec, shape, rate, str(video.frame_count),
                      f"{float(video.start):.3f}", f"{float(video.end):.3f}")  # fmt: skip
    for audio in info.audio:
        table.add_row(str(audio.index), f"audio {audio.language or ''}".strip(), audio.codec,
                      audio.layout, f"{audio.sample_rate} Hz", "", f"{float(audio.start):.3f}",
                      f"{float(audio.end):.3f}")  # fmt: skip
    for text in info.text:
        kind = " ".join(["text", text.language or "", *text.roles]).replace("  ", " ").strip()
        table.add_row(str(text.index), kind, text.codec, "", "", "", "", "")
    for other in info.other:
        table.add_row(str(other.index), other.kind, other.codec or "", "", "", "", "", "")
    console.print(table)
    for warning in info.warnings:
        console.print(f"[yellow]{warning}[/yellow]")


def plan(console: Console, planned: Plan, lane: str) -> None:
    """The ladder and the chunks of a dry run."""
    ladder = Table("rendition", "size", "codec", "cap", title="Ladder")
    for rendition in planned.video.renditions if planned.video else ():
        ladder.add_row(
            rendition.id, f"{rendition.width}x{rendition.height}", rendition.codec, _bits(rendition.max_bitrate)
        )
    for track in planned.audio:
        for own in track.renditions:
            shape = f"{own.layout} {own.sample_rate} Hz {track.language or ''}".strip()
            codec = f"{own.codec}, passed through" if own.passed_through else own.codec
            ladder.add_row(own.id, shape, codec, _bits(own.bitrate))
    for text in planned.text:
        ladder.add_row(text.id, f"text {text.language or ''}".strip(), "webvtt", "")
    if planned.video and planned.video.trick:
        ladder.add_row(TRICK, f"keyframes of {planned.video.trick}", "", "")
    console.print(ladder)
    sprites = planned.thumbnails.sprites if planned.thumbnails else None
    if sprites:
        console.print(
            f"{sprites.count} pictures of {sprites.width}x{sprites.height} for a seek bar, "
            f"one every {float(sprites.interval):g} s, in {sprites.sheets} sheets"
        )
    chunks = Table("chunk", "segments", "start", "end", "seconds", "lane", title="Chunks")
    for chunk in planned.chunks:
        chunks.add_row(str(chunk.index), str(len(chunk.segments)), f"{float(chunk.start):.3f}",
                       f"{float(chunk.end):.3f}", f"{float(chunk.end - chunk.start):.3f}", lane)  # fmt: skip
    console.print(chunks)


def verification(console: Console, found: VerifyReport, document: Mapping[str, Any]) -> None:
    """What each rendition holds and how its checks came out; then every check that failed.

    `document` is the package's own report, empty where there is none: it knows the quality.
    """
    told = {one.get("id"): one.get("quality") for one in document.get("renditions", ()) if isinstance(one, dict)}
    measures = _measures(told.values())
    table = _wide("rendition", "codecs", "size", "segm.", "frames", "seconds", "rate", *measures, "checks")
    for one in found.renditions:
        seconds = one.end_seconds - one.start_seconds
        table.add_row(
            one.id, one.codecs, f"{one.width}x{one.height}" if one.width else "", str(one.segments), str(one.frames),
            f"{seconds:.3f}", _bits(round(8 * one.size_bytes / seconds)) if seconds > 0 else "",
            *_quality(told.get(one.id), measures), _outcome(found, one.id),
        )  # fmt: skip
    table.add_row("(title)", *[""] * (6 + len(measures)), _outcome(found, None))
    console.print(table)
    for check in found.failed:
        place = f" of {check.rendition}" if check.rendition else ""
        console.print(f"[red]{escape(check.name)}{place}[/red]: expected {escape(check.expected)}")
        console.print(f"    found {escape(check.found)}", soft_wrap=True, highlight=False)
    for note in found.notes:
        console.print(f"[yellow]{escape(note)}[/yellow]")
    console.print("[green]The package is good.[/green]" if found.ok else "[red]The package is not good.[/red]")


def _outcome(found: VerifyReport, rendition: str | None) -> str:
    own = [check.ok for check in found.checks if check.rendition == rendition]
    failed = own.count(False)
    return f"[red]{failed} of {len(own)} FAILED[/red]" if failed else f"[green]{len(own)} ok[/green]"


def report(console: Console, document: Mapping[str, Any], out: Path) -> None:
    """A finished transcode."""
    measures = _measures(rendition["quality"] for rendition in document["renditions"])
    table = _wide("rendition", "codecs", "size", "frames", "bytes", "peak", "mean", *measures)
    for rendition in document["renditions"]:
        shape = f"{rendition['width']}x{rendition['height']}" if rendition["width"] else rendition["language"] or ""
        table.add_row(rendition["id"], rendition["codecs"], shape, str(rendition["frames"]),
                      _size(rendition["sizeBytes"]), _bits(rendition["bandwidth"]),
                      _bits(rendition["averageBandwidth"]), *_quality(rendition["quality"], measures))  # fmt: skip
    console.print(table)
    seconds, wall = document["durationSeconds"], document["wallSeconds"]
    console.print(
        f"{seconds:.1f} s of video in {wall:.1f} s ({seconds / max(wall, 0.001):.2f}x), {document['chunks']} chunks, "
        f"{document['segments']} segments; the joins are verified"
    )
    words = [f"{rendition['language'] or rendition['id']}" for rendition in document["renditions"]
             if rendition["kind"] == "text"]  # fmt: skip
    images = [f"{image['name']} {image['width']}x{image['height']}" for image in document["images"]
              if image["role"] == "poster"]  # fmt: skip
    sheets = sum(image["role"] == "sprite" for image in document["images"])
    images += [f"{sheets} sprite sheet{'s' * (sheets > 1)}"] if sheets else []
    for what, names in (("text", words), ("images", images)):
        if names:
            console.print(f"{what}: {', '.join(names)}", highlight=False)
    for name, path in (("HLS ", out / "hls" / "master.m3u8"), ("DASH", out / "dash" / "manifest.mpd")):
        console.print(f"{name}  {path}", soft_wrap=True, highlight=False)  # to be copied: never broken


_MEASURES = {"psnr": ("PSNR", "{:.1f}"), "ssim": ("SSIM", "{:.3f}"), "vmaf": ("VMAF", "{:.1f}")}
"""Heading and form of each measure of quality, by its name in a report. PSNR in dB."""


def _wide(*columns: str) -> Table:
    """A table of many columns, for 80 characters as long as nothing in it is unusual."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _measures(qualities: Iterable[Any]) -> list[str]:
    """The headings of the measures that anything is known of."""
    known = [quality for quality in qualities if isinstance(quality, dict)]
    return [title for name, (title, _) in _MEASURES.items() if any(_is_number(one.get(name)) for one in known)]


def _quality(found: Any, measures: list[str]) -> list[str]:
    """One cell for each of the headings."""
    values = found if isinstance(found, dict) else {}
    cells = {
        title: form.format(values[name]) if _is_number(values.get(name)) else ""
        for name, (title, form) in _MEASURES.items()
    }
    return [cells[measure] for measure in measures]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _size(count: int) -> str:
    return f"{count / 1e6:.2f} MB" if count >= 10_000 else f"{count} B"


def _bits(rate: int) -> str:
    return f"{rate / 1e6:.2f} Mb/s" if rate >= 1_000_000 else f"{rate / 1e3:.0f} kb/s"


def _rate(rate: Fraction) -> str:
    return f"{float(rate):.3f}".rstrip("0").rstrip(".") + " fps"
