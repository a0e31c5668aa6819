"""Parts: encode and package one task's share of a title, and say exactly what came out.

The result is read back from the packaged segments themselves, never copied from what the encoder was told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

from transcoder.chunk import encode_chunk
from transcoder.errors import VerificationError
from transcoder.isobmff import InitInfo, read_init, read_segment
from transcoder.ladder import Rendition
from transcoder.lanes import open_lane
from transcoder.limits import DEFAULT_LIMITS, Limits
from transcoder.media import Keyframe
from transcoder.packaging.drm import CENC_SAMPLES
from transcoder.packaging.keys import Encryptor
from transcoder.packaging.packager import Protected, package_part
from transcoder.plan import Chunk, Segment, VideoTrack
from transcoder.quality import PictureQuality, segment_quality
from transcoder.results import Loudness, RenditionPart, SegmentResult
from transcoder.sample_entry import light_boxes, with_boxes, without_pre_skip
from transcoder.sound.track import encode_track
from transcoder.sound.tracks import AudioTrack
from transcoder.trick import TRICK, write_trick

__all__ = ["MadePart", "make_audio_parts", "make_video_part"]


@dataclass(frozen=True, slots=True)
class MadePart:
    """A part on the local disk: what it holds, and the file of each object, by its name in the package.

    `lost`, `mended` and `repeated` count pictures, as in `PartResult`.
    """

    index: int
    renditions: tuple[RenditionPart, ...]
    files: dict[str, Path]
    lost: int = 0
    mended: int = 0
    repeated: int = 0
    loudness: Mapping[str, Loudness] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def make_video_part(
    file: BinaryIO,
    track: VideoTrack,
    chunk: Chunk,
    folder: Path,
    *,
    lane: str,
    seek: Sequence[Keyframe],
    following: Segment | None,
    threads: int,
    limits: Limits = DEFAULT_LIMITS,
    attempt: int = 1,
    encryptor: Encryptor | None = None,
) -> MadePart:
    """Encode one chunk on every rung and package it. `folder` is empty and stays the caller's.

    `following` is the segment after the chunk, None at the title's end; no picture may have more than `limits` allow.
    With an `encryptor` the packaged chunk is encrypted; `attempt` then keeps IVs from being used twice.

    Errors: those of the chunk encoder and the Packager; VerificationError where the output is not the plan's.
    """
    encoded = encode_chunk(
        file, track, chunk, folder, lane=open_lane(lane), seek=seek, following=following, threads=threads,
        limits=limits,
    )  # fmt: skip
    first = chunk.segments[0].number
    outputs = [(own.id, own, encoded.frames) for own in track.renditions]
    encoded_files = dict(encoded.files)
    if track.trick is not None:
        path = folder / f"{TRICK}.mp4"
        encoded_files[TRICK] = write_trick(encoded.files[track.trick], path, track.timescale, encoded.end)
        outputs += [(TRICK, own, len(chunk.segments)) for own in track.renditions if own.id == track.trick]
    inputs = {name: (name, first) for name in encoded_files}
    protected = _protected(encryptor, inputs, attempt)
    packaged = package_part(encoded_files, folder / "packaged", kind="video", first_number=first, protected=protected)
    renditions: list[RenditionPart] = []
    files: dict[str, Path] = {}
    for name, rendition, frames in outputs:
        made = packaged[name]
        _add_light(made.init, rendition)
        wanted = [segment.number for segment in chunk.segments]
        if list(made.segments) != wanted:
            raise VerificationError(
                "the chunk has other segments than planned",
                {"rendition": name, "expected": wanted, "found": list(made.segments)},
            )
        part = _describe(
            name, made.init, made.segments, encryptor, frame_rate=track.frame_rate if name != TRICK else None,
            quality=encoded.quality.get(name, ()),
        )  # fmt: skip
        if part.frames != frames or part.start != encoded.start or part.end != encoded.end:
            raise VerificationError(
                "the packaged chunk differs from the encoded one",
                {
                    "rendition": name,
                    "expected": [frames, encoded.start, encoded.end],
                    "found": [part.frames, part.start, part.end],
                },
            )
        renditions.append(part)
        files |= _names(name, made.init, made.segments)
    return MadePart(
        chunk.index, tuple(renditions), files, lost=encoded.lost, mended=encoded.mended, repeated=encoded.repeated,
        warnings=encoded.warnings,
    )  # fmt: skip


def make_audio_parts(
    file: BinaryIO,
    track: AudioTrack,
    chunks: Sequence[Chunk],
    folder: Path,
    *,
    origin: Fraction,
    attempts: Mapping[int, int] | None = None,
    limits: Limits = DEFAULT_LIMITS,
    encryptor: Encryptor | None = None,
) -> Iterator[MadePart]:
    """Encode one audio track and yield its parts, packaged, in order and as soon as they are complete. A part has those
    renditions that have a segment in it.

    With an `encryptor` the parts are encrypted; `attempts`, which has every chunk index then, keeps IVs from being used
    twice.
    """
    for encoded in encode_track(file, track, chunks, folder, origin=origin, limits=limits):
        inputs = {f"{name}.{number}": (name, number) for name, own in encoded.files.items() for number in own}
        protected = _protected(encryptor, inputs, 1 if attempts is None else attempts[encoded.index])
        paths = {name: encoded.files[rendition][number] for name, (rendition, number) in inputs.items()}
        folder_of_part = folder / f"packaged{encoded.index}"
        packaged = package_part(paths, folder_of_part, kind="audio", protected=protected) if paths else {}
        parts: list[RenditionPart] = []
        files: dict[str, Path] = {}
        for rendition, own in encoded.files.items():
            if not own:
                continue
            segments = {number: packaged[f"{rendition}.{number}"].segments[1] for number in own}
            init = packaged[f"{rendition}.{min(own)}"].init
            if track.rendition(rendition).codec == "opus":
                init.write_bytes(without_pre_skip(init.read_bytes()))
            parts.append(_describe(rendition, init, segments, encryptor, language=track.language))
            files |= _names(rendition, init, segments)
        yield MadePart(encoded.index, tuple(parts), files, loudness=encoded.loudness, warnings=encoded.warnings)


def _protected(encryptor: Encryptor | None, inputs: Mapping[str, tuple[str, int]], attempt: int) -> Protected | None:
    """Key and IV of each input of the Packager, given by name as rendition and first segment number."""
    if encryptor is None:
        return None
    keys = {name: encryptor.input_key(rendition, first, attempt) for name, (rendition, first) in inputs.items()}
    return Protected(encryptor.encryption, keys)


def _add_light(init: Path, rendition: Rendition) -> None:
    """Shaka Packager drops what the sample entry says about mastering display and content light."""
    extra = light_boxes(rendition.mastering, rendition.light)
    if extra:
        init.write_bytes(with_boxes(init.read_bytes(), extra))


def _names(rendition: str, init: Path, segments: dict[int, Path]) -> dict[str, Path]:
    names = {f"{rendition}/{number}.m4s": path for number, path in segments.items()}
    return {f"{rendition}/init.mp4": init, **names}


def _describe(
    rendition: str,
    init_path: Path,
    segments: dict[int, Path],
    encryptor: Encryptor | None,
    *,
    frame_rate: Fraction | None = None,
    language: str | None = None,
    quality: Sequence[PictureQuality] = (),
) -> RenditionPart:
    data = init_path.read_bytes()
    init = read_init(data)
    _check_encryption(rendition, init, encryptor)
    part = RenditionPart(
        rendition=rendition, kind="trick" if rendition == TRICK else init.kind, codecs=init.codecs,
        timescale=init.timescale,
        codec_config_sha256=init.codec_config_sha256, init_size_bytes=len(data),
        segments=tuple(_segments(init, segments, quality)), width=init.width, height=init.height, frame_rate=frame_rate,
        sample_rate=init.sample_rate, channels=init.channels, language=language,
    )  # fmt: skip
    if encryptor and part.frames >= CENC_SAMPLES:
        raise VerificationError("the part has more samples than unused IVs", {"rendition": rendition})
    return part


def _check_encryption(rendition: str, init: InitInfo, encryptor: Encryptor | None) -> None:
    """The Packager did what it was asked for: nothing leaves the node in clear, or under another key.

    That every sample has its encryption information is checked when the segments are read.
    """
    expected, found = None, None
    if encryptor:
        planned = encryptor.encryption.rendition(rendition)
        expected = (encryptor.encryption.scheme, planned.key_id, planned.constant_iv or "")
    if init.protection:
        found = (init.protection.scheme, init.protection.key_id, init.protection.constant_iv.hex())
    if found != expected:
        raise VerificationError(
            "the packaged part is not encrypted as planned",
            {"rendition": rendition, "expected": str(expected), "found": str(found)},
        )


def _segments(init: InitInfo, segments: dict[int, Path], quality: Sequence[PictureQuality]) -> Iterator[SegmentResult]:
    for number, path in sorted(segments.items()):
        data = path.read_bytes()
        info = read_segment(data, init)
        yield SegmentResult(
            number=number, start=info.start, duration=info.end - info.start, frames=info.frames,
            size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest(),
            quality=segment_quality(quality, info.start, info.end),
        )  # fmt: skip
