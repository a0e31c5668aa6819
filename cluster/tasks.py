"""The task functions: what runs on a node. Bytes in from the source store, objects out to the package store.

Order of writes: segments go up under names that contain the attempt, `attempts/{task}-{attempt}/...`, where
nobody looks; only then is the part reported. An attempt that dies halfway, or loses against another one,
leaves garbage there and nothing else.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Literal

from cluster.content_keys import open_encryptor
from cluster.documents import PackageEncryption, StoreSpec, TaskKey
from cluster.ports import ObjectStore, Part
from cluster.scratch import scratch_folder
from cluster.stores import open_store
from transcoder.errors import VerificationError
from transcoder.media import Keyframe, MediaInfo
from transcoder.packaging.package import Package
from transcoder.part import MadePart, make_audio_parts, make_video_part
from transcoder.plan import Chunk, Plan, Segment, VideoTrack
from transcoder.probe import Limits, probe
from transcoder.results import ImageResult, PartResult
from transcoder.sound.tracks import AudioTrack
from transcoder.text.reader import read_cues
from transcoder.text.segments import make_text_part, segment_starts
from transcoder.text.track import TextTrack
from transcoder.thumbnails.poster import make_poster
from transcoder.thumbnails.sheets import INDEX, POSTER, SpriteSheets, write_index
from transcoder.thumbnails.sprites import make_sheets
from transcoder.verification import verify_package

__all__ = [
    "analyze_task",
    "attempt_prefix",
    "audio_task",
    "poster_task",
    "sprites_task",
    "text_task",
    "verify_task",
    "video_task",
]

Source = tuple[StoreSpec, str]
"""The store and the key of a source."""


def attempt_prefix(key: TaskKey, attempt: int) -> str:
    """Where in the package store an attempt writes."""
    return f"attempts/{key}-{attempt}"


def analyze_task(source: Source, key: TaskKey, limits: Limits) -> Iterator[Part]:
    """Probe the source: one part with its `MediaInfo`."""
    with open_store(source[0]).open(source[1]) as file:
        yield Part(key, probe(file, limits))


def video_task(
    source: Source,
    packages: StoreSpec,
    key: TaskKey,
    attempt: int,
    track: VideoTrack,
    chunk: Chunk,
    seek: tuple[Keyframe, ...],
    lane: str,
    following: Segment | None,
    threads: int,
    limits: Limits,
    encryption: PackageEncryption | None = None,
) -> Iterator[Part]:
    """Encode, package and encrypt one chunk on every rung. Without its keys nothing is encoded."""
    started = _Stopwatch()
    encryptor = open_encryptor(encryption)
    with scratch_folder() as folder, open_store(source[0]).open(source[1]) as file:
        made = make_video_part(
            file, track, chunk, folder, lane=lane, seek=seek, following=following, threads=threads,
            limits=limits, attempt=attempt, encryptor=encryptor,
        )  # fmt: skip
        yield _delivered(made, key, attempt, open_store(packages), started)


def audio_task(
    source: Source,
    packages: StoreSpec,
    attempts: Mapping[TaskKey, int],
    track: AudioTrack,
    chunks: tuple[Chunk, ...],
    origin: Fraction,
    committed: Mapping[TaskKey, tuple[int, PartResult]],
    limits: Limits,
    encryption: PackageEncryption | None = None,
) -> Iterator[Part]:
    """Encode one audio track and deliver its parts in order.

    Parts that an earlier run committed, given with the attempt that made them, are encoded again, because the encoder
    is continuous, compared, and not delivered. They are encrypted as that attempt did, else no two would be equal:
    where the sound differs, the same counter blocks have then been used for other bytes, but those never leave the
    scratch folder. Errors: VerificationError where this machine's encoder makes something else.
    """
    started = _Stopwatch()
    store = open_store(packages)
    encryptor = open_encryptor(encryption)
    made_by = {key.index: attempt for key, attempt in attempts.items()}
    made_by |= {key.index: attempt for key, (attempt, _) in committed.items()}
    with scratch_folder() as folder, open_store(source[0]).open(source[1]) as file:
        parts = make_audio_parts(
            file, track, chunks, folder, origin=origin, attempts=made_by, limits=limits, encryptor=encryptor
        )
        for made in parts:
            key = TaskKey(kind="audio", track=track.track, index=made.index)
            before = committed.get(key)
            if before is None:
                yield _delivered(made, key, attempts[key], store, started)
            elif before[1].renditions != made.renditions:
                raise VerificationError(
                    "the sound cannot be reproduced: this encoder made other bytes than the committed ones",
                    {"task": str(key)},
                )
            started = _Stopwatch()


def text_task(
    source: Source,
    packages: StoreSpec,
    attempts: Mapping[TaskKey, int],
    tracks: tuple[TextTrack, ...],
    segments: tuple[Segment, ...],
    origin: Fraction,
    length: Fraction,
    limits: Limits,
) -> Iterator[Part]:
    """Turn text tracks into WebVTT, each whole: those that have an attempt, read in one pass over the source."""
    started = _Stopwatch()
    store = open_store(packages)
    wanted = [track for track in tracks if TaskKey(kind="text", track=track.track) in attempts]
    with scratch_folder() as folder, open_store(source[0]).open(source[1]) as file:
        starts = segment_starts(segments)
        read = read_cues(file, wanted, origin=origin, length=length, boundaries=starts, limits=limits)
        for track in wanted:
            key, own = TaskKey(kind="text", track=track.track), folder / track.id
            own.mkdir()
            made = make_text_part(track, read[track.track], segments, length, own)
            yield _delivered(made, key, attempts[key], store, started)
            started = _Stopwatch()


def poster_task(
    source: Source,
    packages: StoreSpec,
    key: TaskKey,
    attempt: int,
    track: VideoTrack,
    size: tuple[int, int],
    keyframes: tuple[Keyframe, ...],
    duration: Fraction,
    limits: Limits,
) -> Iterator[Part]:
    """Make the poster."""
    started = _Stopwatch()
    with scratch_folder() as folder, open_store(source[0]).open(source[1]) as file:
        poster = make_poster(file, track, size, keyframes, duration, folder, limits=limits)
    image = _stored_image(packages, key, attempt, "poster", POSTER, poster.data, size, poster.time)
    yield Part(key, PartResult(images=(image,), **started.read()))


def sprites_task(
    source: Source,
    packages: StoreSpec,
    key: TaskKey,
    attempt: int,
    track: VideoTrack,
    sheets: SpriteSheets,
    keyframes: tuple[Keyframe, ...],
    duration: Fraction,
    limits: Limits,
) -> Iterator[Part]:
    """Make the sprite sheets, and their index."""
    started = _Stopwatch()
    images: list[ImageResult] = []
    with scratch_folder() as folder, open_store(source[0]).open(source[1]) as file:
        for sheet in make_sheets(file, track, sheets, keyframes, duration, folder, limits=limits):
            images.append(
                _stored_image(packages, key, attempt, "sprite", sheet.name, sheet.data, sheets.size, sheet.time)
            )
    index, size = write_index(sheets, duration), (sheets.width, sheets.height)
    images.append(_stored_image(packages, key, attempt, "sprite-index", INDEX, index, size, Fraction(0)))
    yield Part(key, PartResult(images=tuple(images), **started.read()))


def _stored_image(
    packages: StoreSpec,
    key: TaskKey,
    attempt: int,
    role: Literal["poster", "sprite", "sprite-index"],
    name: str,
    data: bytes,
    size: tuple[int, int],
    time: Fraction,
) -> ImageResult:
    open_store(packages).create(f"{attempt_prefix(key, attempt)}/{name}", data)
    return ImageResult(
        role=role, name=name, width=size[0], height=size[1], time_seconds=float(time), size_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )  # fmt: skip


def verify_task(packages: StoreSpec, key: TaskKey, media: MediaInfo, plan: Plan, package: Package) -> Iterator[Part]:
    """Check the whole title as a player will read it, before it is closed: one part with the verifier's report."""
    opened = open_store(packages).read
    yield Part(key, verify_package(opened, media=media, plan=plan, package=package, growing=True))


def _delivered(made: MadePart, key: TaskKey, attempt: int, store: ObjectStore, started: _Stopwatch) -> Part:
    prefix = attempt_prefix(key, attempt)
    for name, path in made.files.items():
        store.create(f"{prefix}/{name}", path)
        path.unlink()  # else a long audio track fills the scratch disk with what is stored already
    result = PartResult(
        renditions=made.renditions, loudness=dict(made.loudness), lost=made.lost, mended=made.mended,
        repeated=made.repeated, warnings=made.warnings, **started.read(),
    )  # fmt: skip
    return Part(key, result)


class _Stopwatch:
    """Wall and CPU seconds of this process since it was made; the Packager's own are small and not in it."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.monotonic(), time.process_time()

    def read(self) -> dict[str, float]:
        return {
            "encode_seconds": round(time.monotonic() - self._wall, 3),
            "cpu_seconds": round(time.process_time() - self._cpu, 3),
        }
