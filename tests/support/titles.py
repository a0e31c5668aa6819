"""Small finished packages, made of generated clips by the real chunk encoder, audio task and packager."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

from support import clips
from transcoder.chunk import seek_points
from transcoder.ladder import Ladder, VideoRung
from transcoder.media import MediaInfo
from transcoder.packaging import dash, hls
from transcoder.packaging.assembly import build
from transcoder.packaging.keys import Encryptor
from transcoder.packaging.package import (
    DASH_MANIFEST,
    HLS_MANIFEST,
    Package,
    image_path,
    init_path,
    segment_path,
)
from transcoder.part import MadePart, make_audio_parts, make_video_part
from transcoder.plan import Plan, plan_title
from transcoder.probe import probe
from transcoder.results import ImageResult, PartResult
from transcoder.text.reader import read_cues
from transcoder.text.segments import make_text_part, segment_starts
from transcoder.thumbnails.poster import make_poster
from transcoder.thumbnails.sheets import INDEX, POSTER, write_index
from transcoder.thumbnails.sprites import make_sheets

__all__ = ["LADDER", "NOW", "SHORT", "VARIABLE", "Title", "make_title", "publish", "write_manifests"]

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)

SHORT = clips.Clip(seconds=Fraction(49, 10), fps=Fraction(20), audio_offset=Fraction(1, 10))
"""Six segments of 0.5, 0.5, 1, and 2 s at most, in four chunks and more."""

VARIABLE = clips.Clip(
    seconds=Fraction(4), fps=Fraction(25), audio=False, dropped=frozenset({3, 4, 17, 30, 31, 32, 51, 70, 71, 99})
)
"""A variable frame rate, with pictures missing before a boundary and at the end."""

LADDER = Ladder(
    name="small",
    segment_seconds=2,
    video=(
        VideoRung(id="v180", height=180, max_bitrate=600_000, buffer=900_000, preset="ultrafast"),
        VideoRung(id="v90", height=90, max_bitrate=200_000, buffer=300_000, preset="veryfast"),
    ),
)


@dataclass(frozen=True)
class Title:
    """A title whose tasks are all committed. `folder` holds its segments and, after writing, its manifests."""

    folder: Path
    media: MediaInfo
    plan: Plan
    video: dict[int, PartResult]
    audio: dict[tuple[int, int], PartResult]
    text: dict[int, PartResult]
    images: tuple[PartResult, ...] = ()

    def package(self, *, final: bool = True, chunks: int | None = None, text: bool = True) -> Package:
        """The package model over all chunks, or over the first ones only; of a growing title also without text."""
        count = len(self.plan.chunks) if chunks is None else chunks
        video = {index: part for index, part in self.video.items() if index < count}
        return build(self.plan, video, self.audio, text=self.text if text else {}, images=self.images, final=final)


def make_title(
    clip: clips.Clip | Path,
    folder: Path,
    *,
    ladder: Ladder = LADDER,
    slots: int = 2,
    encrypt: Callable[[Plan], Encryptor] | None = None,
    thumbnails: bool = False,
) -> Title:
    """Encode and package a clip, and write its final manifests. `encrypt` decides about a planned title's keys;
    `thumbnails` says whether it has a poster and sprite sheets."""
    path = clips.cached(clip) if isinstance(clip, clips.Clip) else clip
    with path.open("rb") as file, tempfile.TemporaryDirectory() as scratch:
        media = probe(file)
        plan = plan_title(media, ladder, slots=slots)
        if not thumbnails:
            plan = plan.model_copy(update={"thumbnails": None})
        encryptor = encrypt(plan) if encrypt else None
        if encryptor:
            plan = plan.model_copy(update={"encryption": encryptor.encryption})
        stream = media.main_video
        if stream is None or plan.video is None:
            raise AssertionError("the clip has no picture")
        video, audio = {}, {}
        for chunk in plan.chunks:
            own = Path(scratch) / f"video{chunk.index}"
            own.mkdir()
            made = make_video_part(
                file, plan.video, chunk, own, lane="cpu", seek=seek_points(stream, plan.video, chunk),
                following=plan.following(chunk), threads=1, encryptor=encryptor,
            )  # fmt: skip
            video[chunk.index] = _keep(made, folder)
        for track in plan.audio:
            own = Path(scratch) / f"audio{track.track}"
            own.mkdir()
            for made in make_audio_parts(file, track, plan.chunks, own, origin=stream.start, encryptor=encryptor):
                audio[track.track, made.index] = _keep(made, folder)
        starts = segment_starts(plan.segments)
        read = read_cues(file, plan.text, origin=plan.origin, length=plan.length, boundaries=starts)
        text = {}
        for texts in plan.text:
            own = Path(scratch) / texts.id
            own.mkdir()
            made = make_text_part(texts, read[texts.track], plan.segments, plan.length, own)
            text[texts.track] = _keep(made, folder)
        images = _thumbnails(file, plan, folder, Path(scratch)) if thumbnails else ()
    title = Title(folder, media, plan, video, audio, text, images)
    write_manifests(folder, title.package())
    return title


def _thumbnails(file: BinaryIO, plan: Plan, folder: Path, scratch: Path) -> tuple[PartResult, ...]:
    """Make poster and sheets, and put them where the engine does."""
    thumbnails = plan.thumbnails
    assert plan.video is not None and thumbnails is not None and thumbnails.sprites is not None
    poster = make_poster(file, plan.video, thumbnails.poster, (), plan.duration, scratch)
    made = [("poster", POSTER, poster.data)]
    for sheet in make_sheets(file, plan.video, thumbnails.sprites, (), plan.duration, scratch):
        made.append(("sprite", sheet.name, sheet.data))
    made.append(("sprite-index", INDEX, write_index(thumbnails.sprites, plan.duration)))
    (folder / "thumbnails").mkdir()
    for _, name, data in made:
        (folder / image_path(name)).write_bytes(data)
    images = tuple(
        ImageResult.model_validate(
            {"role": role, "name": name, "width": 2, "height": 2, "time_seconds": 0, "size_bytes": len(data),
             "sha256": hashlib.sha256(data).hexdigest()}
        )
        for role, name, data in made
    )  # fmt: skip
    return (PartResult(images=images),)


def _keep(made: MadePart, folder: Path) -> PartResult:
    """Put a part's files under their canonical names, as the engine does when it commits the attempt."""
    for rendition in made.renditions:
        init = folder / init_path(rendition.rendition)
        if rendition.kind != "text" and not init.exists():
            init.parent.mkdir(parents=True, exist_ok=True)
            init.write_bytes(made.files[f"{rendition.rendition}/init.mp4"].read_bytes())
        for segment in rendition.segments:
            target = folder / segment_path(rendition.rendition, segment.number, rendition.kind)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(made.files[f"{rendition.rendition}/{target.name}"].read_bytes())
    return PartResult(
        renditions=made.renditions, lost=made.lost, mended=made.mended, repeated=made.repeated, warnings=made.warnings
    )


def write_manifests(folder: Path, package: Package, *, now: datetime = NOW) -> None:
    """Write all manifests of a package below its folder, as if it was first published at `now`."""
    for name in (HLS_MANIFEST, DASH_MANIFEST):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / HLS_MANIFEST).write_text(hls.multivariant(package))
    for path, text in hls.playlists(package):
        (folder / path).write_text(text)
    (folder / DASH_MANIFEST).write_bytes(dash.manifest(package, available_from=now, now=now))


def publish(folder: Path, package: Package, now: datetime) -> None:
    """Replace each manifest whole, as the object store does: a player never sees half of one."""
    draft = folder / "draft"
    write_manifests(draft, package, now=now)
    for path in draft.rglob("*.m*"):
        target = folder / path.relative_to(draft)
        target.parent.mkdir(exist_ok=True)
        path.replace(target)
