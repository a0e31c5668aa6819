"""Sample entries of CMAF init segments: what a decoder has to be, as a `codecs` parameter, and what its pictures mean.

ISO/IEC 14496-12, 8.5.2 and 12.1; codecs parameters as in RFC 6381, section 3. Encryption changes neither.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from transcoder.boxes import Box, Cursor, Fields, boxes, damaged, find, only
from transcoder.cenc import Protection, original_format, read_protection
from transcoder.media import Colour, ContentLight, MasteringDisplay

__all__ = ["SampleEntry", "light_boxes", "read_sample_entry", "with_boxes", "without_pre_skip"]

_FIXED: dict[Literal["video", "audio"], int] = {"video": 78, "audio": 28}
"""Bytes of a sample entry before its boxes (12.1.3, 12.2.3)."""

_CHROMATICITY, _LUMINANCE = 50_000, 10_000
"""Units of `mdcv` in one: 0.00002, and 0.0001 cd/m2 (12.1.7)."""


@dataclass(frozen=True, slots=True)
class SampleEntry:
    """What the only entry of a `stsd` says. `format` is its type before encryption.

    `colour` is that of `colr`, `mastering` and `light` those of `mdcv` and `clli`; None where there is no such box.
    """

    format: str
    codecs: str
    width: int | None = None
    height: int | None = None
    sample_rate: int | None = None
    channels: int | None = None
    colour: Colour | None = None
    mastering: MasteringDisplay | None = None
    light: ContentLight | None = None
    protection: Protection | None = None


def read_sample_entry(data: bytes, stsd: Box, kind: Literal["video", "audio"]) -> SampleEntry:
    """Read the only sample entry. Errors: VerificationError where it is damaged or not one that Framemill writes."""
    box = _only_entry(data, stsd)
    fixed = _FIXED[kind]
    if box.end - box.body < fixed:
        raise damaged(f"{box.type!r} is too short", box.start)
    encrypted = box.type in {"encv", "enca"}
    name = original_format(data, box, fixed) if encrypted else box.type
    if name not in _CONFIGURATIONS:
        raise damaged(f"the sample entry {name!r} is not one that Framemill writes", box.start)
    within = box._replace(body=box.body + fixed)
    child, codecs = _CONFIGURATIONS[name]
    configuration = only(data, child, within)
    colour = _colour(data, within) if kind == "video" else None
    parameter = codecs(Cursor(data, configuration, configuration.body), name, colour)
    protection = read_protection(data, box, fixed) if encrypted else None
    fields = Cursor(data, box, box.body)
    if kind == "video":
        fields.take(24)
        return SampleEntry(
            name, parameter, width=fields.number(2), height=fields.number(2), colour=colour,
            mastering=_mastering(data, within), light=_light(data, within), protection=protection,
        )  # fmt: skip
    fields.take(16)
    channels = fields.number(2)
    fields.take(6)
    return SampleEntry(name, parameter, channels=channels, sample_rate=fields.u32() >> 16, protection=protection)


def light_boxes(mastering: MasteringDisplay | None, light: ContentLight | None) -> bytes:
    """`mdcv` and `clli` (12.1.7, 12.1.8), as far as there is something to say."""
    written = b""
    if mastering is not None:
        points = (mastering.green, mastering.blue, mastering.red, mastering.white)
        body = b"".join(_unsigned(value * _CHROMATICITY, 2) for point in points for value in point)
        body += _unsigned(mastering.max_luminance * _LUMINANCE, 4) + _unsigned(mastering.min_luminance * _LUMINANCE, 4)
        written += _box(b"mdcv", body)
    if light is not None:
        written += _box(b"clli", _unsigned(light.max_content, 2) + _unsigned(light.max_average, 2))
    return written


def with_boxes(init: bytes, extra: bytes) -> bytes:
    """An init segment with more boxes at the end of its only sample entry.

    Nothing in an init segment counts bytes but the boxes' own sizes. Errors: VerificationError where it is damaged.
    """
    box, path = Box("file", 0, 0, len(init)), []
    for kind in ("moov", "trak", "mdia", "minf", "stbl", "stsd"):
        box = only(init, kind, box)
        path.append(box)
    entry = _only_entry(init, box)
    data = bytearray(init)
    for parent in (*path, entry):
        size = parent.end - parent.start + len(extra)
        data[parent.start : parent.start + 4] = size.to_bytes(4)
    return bytes(data[: entry.end]) + extra + bytes(data[entry.end :])


def without_pre_skip(init: bytes) -> bytes:
    """An init segment of Opus with a PreSkip of 0 (Opus in ISOBMFF, 4.3.2): no decoder is to drop what comes first.

    Errors: VerificationError where it is damaged, or not of Opus.
    """
    box = Box("file", 0, 0, len(init))
    for kind in ("moov", "trak", "mdia", "minf", "stbl", "stsd"):
        box = only(init, kind, box)
    entry = _only_entry(init, box)
    dops = only(init, "dOps", entry._replace(body=entry.body + _FIXED["audio"]))
    fields = Cursor(init, dops, dops.body)
    fields.take(2)
    place = fields.position
    fields.take(2)
    return init[:place] + bytes(2) + init[place + 2 :]


def _only_entry(data: bytes, stsd: Box) -> Box:
    fields = Fields(data, stsd)
    if fields.u32() != 1:
        raise damaged("the track has more than one sample entry", stsd.start)
    entries = list(boxes(data, stsd._replace(body=fields.position)))
    if len(entries) != 1:
        raise damaged("the track has not exactly one sample entry", stsd.start)
    return entries[0]


def _unsigned(value: Fraction | int, size: int) -> bytes:
    return max(0, min((1 << 8 * size) - 1, round(value))).to_bytes(size)


def _box(kind: bytes, body: bytes) -> bytes:
    return (8 + len(body)).to_bytes(4) + kind + body


def _optional(data: bytes, kind: str, parent: Box) -> Cursor | None:
    found = find(data, kind, parent)
    return Cursor(data, found[0], found[0].body) if found else None


def _colour(data: bytes, entry: Box) -> Colour | None:
    """`colr` of type `nclx` (12.1.5)."""
    fields = _optional(data, "colr", entry)
    if fields is None or fields.text(4) != "nclx":
        return None
    primaries, transfer, matrix = fields.number(2), fields.number(2), fields.number(2)
    return Colour(primaries=primaries, transfer=transfer, matrix=matrix, full_range=bool(fields.number(1) & 0x80))


def _mastering(data: bytes, entry: Box) -> MasteringDisplay | None:
    fields = _optional(data, "mdcv", entry)
    if fields is None:
        return None
    green, blue, red, white = (
        (Fraction(fields.number(2), _CHROMATICITY), Fraction(fields.number(2), _CHROMATICITY)) for _ in range(4)
    )
    most, least = Fraction(fields.u32(), _LUMINANCE), Fraction(fields.u32(), _LUMINANCE)
    return MasteringDisplay(red=red, green=green, blue=blue, white=white, min_luminance=least, max_luminance=most)


def _light(data: bytes, entry: Box) -> ContentLight | None:
    fields = _optional(data, "clli", entry)
    return None if fields is None else ContentLight(max_content=fields.number(2), max_average=fields.number(2))


def _avc(config: Cursor, name: str, _: Colour | None) -> str:
    """`avcC` (ISO/IEC 14496-15, 5.3.3.1)."""
    profile, compatibility, level = config.take(4)[1:]
    return f"{name}.{profile:02x}{compatibility:02x}{level:02x}"


def _hevc(config: Cursor, name: str, _: Colour | None) -> str:
    """`hvcC` (ISO/IEC 14496-15, 8.3.3.1): profile, compatibility, tier and level, constraints (annex E.3)."""
    config.take(1)
    first, compatibility = config.number(1), config.u32()
    constraints, level = config.take(6).rstrip(b"\0"), config.number(1)
    space = ("", "A", "B", "C")[first >> 6]
    reverse = int(f"{compatibility:032b}"[::-1], 2)
    parts = [f"{space}{first & 0x1F}", f"{reverse:X}", f"{'H' if first & 0x20 else 'L'}{level}"]
    return ".".join([name, *parts, *(f"{byte:X}" for byte in constraints)])


def _av1(config: Cursor, name: str, colour: Colour | None) -> str:
    """`av1C` (AV1 codec ISO media file format binding, 2.3 and 5): colour is said where it is not BT.709's."""
    config.take(1)
    first, second = config.number(1), config.number(1)
    profile, level = first >> 5, first & 0x1F
    bits = (12 if second & 0x20 else 10) if second & 0x40 else 8
    parts = [name, f"{profile}", f"{level:02}{'H' if second & 0x80 else 'M'}", f"{bits:02}"]
    if colour is not None and (colour.primaries, colour.transfer, colour.matrix) != (1, 1, 1):
        mono, chroma = second >> 4 & 1, f"{second >> 3 & 1}{second >> 2 & 1}{second & 3}"
        values = (colour.primaries, colour.transfer, colour.matrix)
        parts += [f"{mono}", chroma, *(f"{value:02}" for value in values), f"{int(colour.full_range)}"]
    return ".".join(parts)


def _aac(esds: Cursor, name: str, _: Colour | None) -> str:
    """`mp4a.40.N` from the descriptors of an `esds` box (ISO/IEC 14496-1, 7.2.6)."""
    esds.take(4)
    _descriptor(esds, 0x03)
    esds.take(2)
    flags = esds.number(1)
    esds.take((2 if flags & 0x80 else 0) + (2 if flags & 0x20 else 0))
    if flags & 0x40:
        esds.take(esds.number(1))
    _descriptor(esds, 0x04)
    object_type = esds.number(1)
    esds.take(12)
    if object_type != 0x40:
        return f"{name}.{object_type:02x}"
    _descriptor(esds, 0x05)
    first = esds.number(2)
    kind = first >> 11
    # 31 escapes to six more bits (ISO/IEC 14496-3, 1.6.2.1).
    return f"{name}.40.{32 + (first >> 5 & 0x3F) if kind == 31 else kind}"


def _descriptor(cursor: Cursor, tag: int) -> None:
    """Step into a descriptor: its tag and its length of up to four bytes (ISO/IEC 14496-1, 8.3.3)."""
    if cursor.number(1) != tag:
        raise damaged(f"{cursor.box.type!r} has no descriptor {tag}", cursor.box.start)
    for _ in range(4):
        if not cursor.number(1) & 0x80:
            return
    raise damaged("a descriptor's length is too long", cursor.box.start)


def _by_format(configuration: Cursor, name: str, _: Colour | None) -> str:
    """A codec whose parameter is its format alone: Opus, AC-3, E-AC-3 (ETSI TS 102 366, F.3 and F.5 for the boxes)."""
    configuration.take(2)
    return name.lower()


_CONFIGURATIONS: dict[str, tuple[str, Callable[[Cursor, str, Colour | None], str]]] = {
    "avc1": ("avcC", _avc),
    "hvc1": ("hvcC", _hevc),
    "av01": ("av1C", _av1),
    "mp4a": ("esds", _aac),
    "Opus": ("dOps", _by_format),
    "ac-3": ("dac3", _by_format),
    "ec-3": ("dec3", _by_format),
}
"""For each format its box of decoder configuration, and what that says as a codecs parameter."""
