"""The commands that need no service: transcode, probe, plan, verify. One machine, a local Ray, no database."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from cluster.documents import JobRequest, StoreSpec
from cluster.engine import Engine
from cluster.engine import Progress as EngineProgress
from cluster.ledgers.journal import JournalLedger
from control_plane.cli import tables
from control_plane.cli.exits import CHECK_FAILED, DONE
from control_plane.cli.keys_file import KeysFile, read_keys
from control_plane.settings import Settings
from transcoder.errors import InvalidInputError, ResourceMissingError, UnsupportedMediaError
from transcoder.ladder import Ladder
from transcoder.ladder_file import load_ladder
from transcoder.lanes import open_lane
from transcoder.media import MediaInfo
from transcoder.packaging.drm import Scheme
from transcoder.plan import plan_title
from transcoder.probe import probe as probe_source
from transcoder.quality.vmaf import require_vmaf
from transcoder.verification import folder_opener, read_source_text, read_source_times, verify_package

__all__ = ["plan", "probe", "transcode", "verify"]

_SOURCE = click.argument("source", type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path))
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
_LADDER = click.option("--ladder", "ladder_name", default="h264", show_default=True, metavar="NAME|FILE",
                       help="A built-in ladder, or a YAML or JSON file.")  # fmt: skip
_SEGMENTS = click.option("--segment-seconds", type=click.IntRange(1, 10), default=None,
                         help="Length of a full segment; the ladder's own by default.")  # fmt: skip


def _errors() -> Console:
    return Console(stderr=True)


def _ladder(name: str, segment_seconds: int | None) -> Ladder:
    ladder = load_ladder(name)
    return ladder.model_copy(update={"segment_seconds": segment_seconds}) if segment_seconds else ladder


def _print_json(document: Any) -> None:
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def _probe(source: Path) -> MediaInfo:
    with source.open("rb") as file:
        return probe_source(file, Settings().engine.limits)


@click.command()
@_SOURCE
@_JSON
def probe(source: Path, as_json: bool) -> None:
    """Show what SOURCE contains: streams, exact times, keyframes."""
    media = _probe(source)
    if as_json:
        _print_json(media.model_dump(mode="json"))
    else:
        tables.media(Console(), media)


@click.command()
@_SOURCE
@_LADDER
@_SEGMENTS
@_JSON
def plan(source: Path, ladder_name: str, segment_seconds: int | None, as_json: bool) -> None:
    """The dry run: which renditions and which chunks SOURCE would become."""
    planned = plan_title(_probe(source), _ladder(ladder_name, segment_seconds), slots=_cpus())
    if as_json:
        _print_json({**planned.model_dump(mode="json"), "lane": open_lane("auto").name})
    else:
        tables.plan(Console(), planned, open_lane("auto").name)


@click.command()
@click.argument("out", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--source", type=click.Path(exists=True, dir_okay=False, path_type=Path), default=None,
              help="Compare with the source it was made from.")  # fmt: skip
@click.option("--keys", "keys_file", type=click.Path(exists=True, dir_okay=False, path_type=Path), default=None,
              help="The keys of an encrypted package; without them nothing of it is decoded.")  # fmt: skip
@_JSON
def verify(out: Path, source: Path | None, keys_file: Path | None, as_json: bool) -> int:
    """Check the finished package in OUT from the outside: every join, every rendition decoded in full."""
    keys = read_keys(keys_file) if keys_file else None
    document = _report_of(out)
    media = _probe(source) if source else None
    times = text = None
    if source and media:
        with source.open("rb") as file:
            times = read_source_times(file, media, Settings().engine.limits, _constant_rate(document))
            text = read_source_text(file, media)
    report = verify_package(folder_opener(out), media=media, decode=True, keys=keys, source=times, source_text=text)
    if as_json:
        _print_json(report.model_dump(mode="json"))
    else:
        tables.verification(Console(), report, document)
    return DONE if report.ok else CHECK_FAILED


def _report_of(out: Path) -> dict[str, Any]:
    """The package's own report; empty where there is none that can be read. It is only told, never believed."""
    try:
        document = json.loads((out / "report.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _constant_rate(document: dict[str, Any]) -> Fraction | None:
    try:
        return Fraction(str(document["pictures"]["constantRate"]))
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None


@dataclass(frozen=True, slots=True)
class _Output:
    """Where a transcode writes. The journal lies beside OUT, so that OUT holds the package and nothing else."""

    folder: Path

    @property
    def journal(self) -> Path:
        return self._beside("journal")

    @property
    def keys(self) -> Path:
        return self._beside("keys.json")

    @property
    def kek(self) -> Path:
        return self._beside("kek")

    def _beside(self, suffix: str) -> Path:
        return self.folder.parent / f"{self.folder.name}.{suffix}"

    def end(self) -> None:
        """Remove what only an unfinished job needs."""
        self.journal.unlink()
        self.kek.unlink(missing_ok=True)

    def discard(self) -> None:
        """Take back what was begun for a source that turned out to be unusable: there is nothing to resume."""
        issued = self.kek.exists()  # else a keys file here is an earlier package's
        self.end()
        with contextlib.suppress(OSError):  # an earlier run's segments stay, and so do the folder and the keys then
            self.folder.rmdir()
            if issued:
                self.keys.unlink(missing_ok=True)

    def ledger(self, request: JobRequest, source: Path, *, resume: bool) -> JournalLedger:
        """The ledger of a new job, or of the interrupted one. Errors: InvalidInputError."""
        if resume and self.journal.exists():
            return self._interrupted(request, source)
        if resume and not self.folder.exists():
            resume = False  # nothing to go on with: `--resume` in a script just starts
        if resume:
            raise InvalidInputError(f"{self.folder.name} is finished: there is nothing to resume")
        if self.journal.exists():
            raise InvalidInputError(
                f"{self.folder.name} was begun before: go on with --resume, or remove it and its journal"
            )
        if self.folder.exists() and any(self.folder.iterdir()):
            raise InvalidInputError(f"{self.folder.name} is not empty")
        if request.drm != "none" and (self.keys.exists() or self.kek.exists()):
            # Never used again: attempts count from 1 in a new journal, and so would the IVs under the old key.
            raise InvalidInputError(f"{self.keys.name} holds the keys of an earlier package: move it away first")
        self.folder.mkdir(parents=True, exist_ok=True)
        return JournalLedger.create(self.journal, f"cli-{uuid.uuid4().hex[:12]}", request)

    def _interrupted(self, request: JobRequest, source: Path) -> JournalLedger:
        """What is committed was made of one source, as the job was begun: what is asked for now, such as encryption,
        would be passed over in silence. Errors: InvalidInputError."""
        ledger = JournalLedger.open(self.journal)
        begun = ledger.request
        other = [name for name in JobRequest.model_fields if getattr(begun, name) != getattr(request, name)]
        # The size tells nearly all files apart, and costs nothing.
        if ledger.media is not None and ledger.media.size_bytes != source.stat().st_size:
            other.insert(0, "source")
        if not other:
            return ledger
        ledger.close()
        raise InvalidInputError(
            f"{self.folder.name} was begun with another {', '.join(other).replace('_', ' ')}: go on with what it was "
            "begun with, or remove it and its journal"
        )


@click.command()
@_SOURCE
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@_LADDER
@_SEGMENTS
@click.option(
    "--lane",
    type=click.Choice(["auto", "cpu", "nvdec-cpu", "nvenc"]),
    default="auto",
    show_default=True,
    help="The hardware path. Other than `auto` it is a requirement.",
)
@click.option("--drm", type=click.Choice(["none", "clearkey"]), default="none", show_default=True,
              help="Encrypt the package; its keys go to OUT.keys.json.")  # fmt: skip
@click.option("--drm-scheme", type=click.Choice(["cbcs", "cenc"]), default="cbcs", show_default=True,
              help="How it is encrypted: AES-CBC with a pattern, or AES-CTR for older devices.")  # fmt: skip
@click.option("--vmaf", is_flag=True, help="Measure VMAF of every picture; takes longer than the encoding.")
@click.option("--resume", is_flag=True, help="Go on with an interrupted transcode into OUT, with the same options.")
@_JSON
def transcode(
    source: Path,
    out: Path,
    ladder_name: str,
    segment_seconds: int | None,
    lane: str,
    drm: Literal["none", "clearkey"],
    drm_scheme: Scheme,
    vmaf: bool,
    resume: bool,
    as_json: bool,
) -> None:
    """Turn SOURCE into a package in OUT: HLS and DASH over the same CMAF segments, thumbnails, report.json."""
    if open_lane(lane).name != lane and lane != "auto":
        raise ResourceMissingError(f"the lane {lane!r} is not available on this machine")
    ladder = _ladder(ladder_name, segment_seconds)
    if vmaf:
        ladder = ladder.model_copy(update={"quality": ladder.quality.model_copy(update={"vmaf": True})})
    if ladder.quality.measures_vmaf:
        require_vmaf()
    request = JobRequest(
        ladder=ladder, lane="cpu" if lane == "cpu" else "auto", drm=drm,
        drm_scheme=drm_scheme,
    )  # fmt: skip
    output = _Output(out.absolute())
    with contextlib.closing(output.ledger(request, source, resume=resume)) as ledger:
        try:
            report = asyncio.run(_transcode(source.absolute(), output, ledger))
        except UnsupportedMediaError:
            output.discard()
            raise
        output.end()
    if as_json:
        _print_json(report)
    else:
        tables.report(Console(), report, out)


async def _transcode(source: Path, output: _Output, ledger: JournalLedger) -> dict[str, object]:
    from cluster.runtime.ray_runtime import RayRuntime

    with tempfile.TemporaryDirectory(prefix="framemill-source-") as folder, _progress() as show:
        # The tasks get a neutral name: the user's own is never handed to anything that parses media.
        await asyncio.to_thread(os.symlink, source, Path(folder, "source"))
        runtime = await asyncio.to_thread(RayRuntime, cpus=_cpus())
        try:
            engine = Engine(
                ledger, runtime, source=(StoreSpec(root=folder), "source"),
                packages=StoreSpec(root=str(output.folder)), settings=Settings().engine,
                keys=KeysFile(output.keys, output.kek), on_progress=show,
            )  # fmt: skip
            return await engine.transcode()
        finally:
            await asyncio.to_thread(runtime.close)


@contextlib.contextmanager
def _progress() -> Iterator[Any]:
    """A progress bar on a terminal's standard error; nothing elsewhere."""
    console = _errors()
    if not console.is_terminal:
        yield lambda _: None
        return
    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(),
        TextColumn("{task.fields[done]}"), TextColumn("[green]{task.fields[playable]}"),
        TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting", total=None, done="", playable="")

        def show(now: EngineProgress) -> None:
            playable = f"playable: {now.playable_seconds:.1f} s" if now.playable_seconds else ""
            done = f"{now.done_seconds:.1f} of {now.total_seconds:.1f} s of video"
            bar.update(
                task, description=now.stage, total=now.total_seconds, completed=now.done_seconds, done=done,
                playable=playable,
            )  # fmt: skip

        yield show


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
