"""The boxes of common encryption (ISO/IEC 23001-7): what is encrypted, under which key, with which IV.

Only what Framemill writes is read: one key a track (`tenc`), and a `senc` in every fragment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from transcoder.boxes import Box, Cursor, Fields, damaged, only

__all__ = ["Protection", "SampleProtection", "original_format", "read_protection", "read_samples"]

_SUBSAMPLES = 0x02
"""senc_use_subsamples in the flags of `senc` (7.2.2)."""


@dataclass(frozen=True, slots=True)
class Protection:
    """How a track is encrypted (`schm` and `tenc`, clause 8). `key_id` is 32 hexadecimal digits.

    `iv_size` is the bytes of each sample's own IV; 0 where all samples have `constant_iv`.
    """

    scheme: str
    key_id: str
    iv_size: int
    constant_iv: bytes


class SampleProtection(NamedTuple):
    """The IV of a sample (empty: the track's constant one) and how many of its bytes are encrypted."""

    iv: bytes
    protected: int


def original_format(data: bytes, entry: Box, fixed: int) -> str:
    """The sample entry's type before encryption (`frma`). `fixed` is the bytes before the entry's own boxes."""
    box = _scheme_box(data, entry, fixed, "frma")
    return Cursor(data, box, box.body).text(4)


def read_protection(data: bytes, entry: Box, fixed: int) -> Protection:
    """How the samples under an encrypted sample entry (`encv`, `enca`) are encrypted.

    Errors: VerificationError where it is damaged or says that nothing is encrypted.
    """
    scheme = Fields(data, _scheme_box(data, entry, fixed, "schm")).text(4)
    tenc = Fields(data, only(data, "tenc", _scheme_box(data, entry, fixed, "schi"))).skip(2)
    protected, iv_size, key_id = tenc.number(1), tenc.number(1), tenc.take(16)
    if protected != 1 or iv_size not in (0, 8, 16):
        raise damaged("the track encryption box is not valid", tenc.box.start)
    return Protection(scheme, key_id.hex(), iv_size, b"" if iv_size else tenc.take(tenc.number(1)))


def read_samples(data: bytes, traf: Box, protection: Protection, sizes: Sequence[int]) -> list[SampleProtection]:
    """The encryption of each sample of a fragment. `sizes` are the samples' bytes.

    Errors: VerificationError where a sample is without one, or the parts of a sample are not its size.
    """
    senc = Fields(data, only(data, "senc", traf))
    if senc.u32() != len(sizes):
        raise damaged("not every sample has its encryption information", senc.box.start)
    found = []
    for size in sizes:
        iv, protected = senc.take(protection.iv_size), size
        if senc.flags & _SUBSAMPLES:
            parts = [(senc.number(2), senc.u32()) for _ in range(senc.number(2))]
            protected = sum(part for _, part in parts)
            if sum(clear for clear, _ in parts) + protected != size:
                raise damaged("the encrypted parts of a sample are not its size", senc.box.start)
        found.append(SampleProtection(iv, protected))
    return found


def _scheme_box(data: bytes, entry: Box, fixed: int, kind: str) -> Box:
    """A box of the protection scheme information; a track has one scheme here (ISO/IEC 14496-12, 8.12)."""
    if entry.end - entry.body < fixed:
        raise damaged(f"{entry.type!r} is too short", entry.start)
    return only(data, kind, only(data, "sinf", entry._replace(body=entry.body + fixed)))
