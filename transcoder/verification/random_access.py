"""Whether a decoder can start with a picture: read from the picture itself, because a flag can lie.

An IDR picture is asked for, or AV1's shown key frame: nothing after it refers to what lies before. Other pictures that
HEVC lets a decoder start with (CRA) may be followed by some that it cannot decode. Encryption leaves the headers clear.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

__all__ = ["stands_alone"]

_AVC_IDR = 5
"""nal_unit_type of a coded slice of an IDR picture (ITU-T H.264, table 7-1)."""

_HEVC_IDR = {19, 20}
"""IDR_W_RADL and IDR_N_LP (ITU-T H.265, table 7-1)."""

_AV1_FRAME_HEADERS = {3, 6}
"""OBU_FRAME_HEADER and OBU_FRAME (AV1, 6.2.2)."""


def stands_alone(sample: bytes, format: str) -> bool:
    """Whether a sample of a track of that sample entry begins with a picture that needs no other."""
    return _BY_FORMAT[format](sample) if format in _BY_FORMAT else True


def _units(sample: bytes) -> Iterator[int]:
    """The first byte of each NAL unit (ISO/IEC 14496-15, 5.3.3.1: lengths of 4 bytes)."""
    position = 0
    while position + 5 <= len(sample):
        yield sample[position + 4]
        position += 4 + int.from_bytes(sample[position : position + 4])


def _avc(sample: bytes) -> bool:
    return any(first & 0x1F == _AVC_IDR for first in _units(sample))


def _hevc(sample: bytes) -> bool:
    return any(first >> 1 & 0x3F in _HEVC_IDR for first in _units(sample))


def _av1(sample: bytes) -> bool:
    """The first frame header: a key frame that is shown (AV1, 5.3.2 and 5.9.2)."""
    position = 0
    while position < len(sample):
        header = sample[position]
        position += 2 if header & 0x04 else 1
        size = len(sample) - position
        if header & 0x02:
            size, shift = 0, 0
            while position < len(sample) and shift < 56:
                byte = sample[position]
                size, shift, position = size | (byte & 0x7F) << shift, shift + 7, position + 1
                if not byte & 0x80:
                    break
        if header >> 3 & 0x0F in _AV1_FRAME_HEADERS:
            # show_existing_frame 0, frame_type 00 (key frame), show_frame 1
            return position < len(sample) and sample[position] >> 4 == 0b0001
        position += size
    return False


_BY_FORMAT: dict[str, Callable[[bytes], bool]] = {"avc1": _avc, "hvc1": _hevc, "av01": _av1}
"""By the type of the sample entry. Sound has no entry: every access unit can be started with."""
