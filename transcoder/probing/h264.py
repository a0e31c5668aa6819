"""H.264's pictures: one may come as two fields, in a packet each, and not every keyframe is a fresh start.

Clauses are those of ITU-T H.264 (08/2021).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from av.packet import Packet

from transcoder.probing.bits import Bits
from transcoder.probing.nal import length_size, parameter_sets, units

__all__ = ["Fields"]

_SLICE, _IDR_SLICE, _SPS, _PPS = 1, 5, 7, 8
"""nal_unit_type: table 7-1."""

_WITH_CHROMA_FORMAT = {44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 144, 244}
"""profile_idc whose sequence parameter sets say more: 7.3.2.1.1."""

_SLICE_BYTES = 24
"""Where the header of a slice has said all that is asked for."""


@dataclass(frozen=True, slots=True)
class _Sequence:
    """What a sequence parameter set says of slice headers."""

    frames_only: bool
    frame_number_bits: int
    separate_planes: bool


class Fields:
    """Whether a packet begins a picture, or is the second field of one that another packet began (7.4.1.2.4)."""

    def __init__(self, extradata: bytes) -> None:
        self._length_size = length_size("h264", extradata)
        self._sequences: dict[int, _Sequence] = {}
        self._pictures: dict[int, int] = {}
        self._first_field: tuple[int, int] | None = None
        for unit in parameter_sets(extradata):
            self._learn(unit)

    def __call__(self, packet: Packet[Any]) -> bool:
        frames_only = bool(self._sequences) and all(known.frames_only for known in self._sequences.values())
        if frames_only and not packet.is_keyframe:
            return True
        field = self._field(bytes(packet))
        first, self._first_field = self._first_field, None
        if field is None:
            return True
        if first is not None and first[0] == field[0] and first[1] != field[1]:
            return False
        self._first_field = field
        return True

    def _field(self, data: bytes) -> tuple[int, int] | None:
        """Frame number and parity of the field that the packet begins with; None for a frame."""
        for unit in units(data, self._length_size):
            kind = unit[0] & 0x1F if unit else 0
            if kind in {_SPS, _PPS}:
                self._learn(unit)
            elif kind in {_SLICE, 2, _IDR_SLICE}:
                try:
                    return self._slice(Bits(_unescaped(unit[1:_SLICE_BYTES])))
                except IndexError:
                    return None
        return None

    def _slice(self, bits: Bits) -> tuple[int, int] | None:
        """7.3.3."""
        bits.unsigned()
        bits.unsigned()
        sequence = self._sequences.get(self._pictures.get(bits.unsigned(), -1))
        if sequence is None or sequence.frames_only:
            return None
        if sequence.separate_planes:
            bits.read(2)
        number = bits.read(sequence.frame_number_bits)
        return (number, bits.read(1)) if bits.read(1) else None

    def _learn(self, unit: bytes) -> None:
        kind = unit[0] & 0x1F if unit else 0
        bits = Bits(_unescaped(unit[1:]))
        try:
            if kind == _PPS:
                number = bits.unsigned()
                self._pictures[number] = bits.unsigned()
            elif kind == _SPS:
                number, sequence = _sequence(bits)
                self._sequences[number] = sequence
        except IndexError:
            return


def _sequence(bits: Bits) -> tuple[int, _Sequence]:
    """7.3.2.1.1, as far as frame_mbs_only_flag."""
    profile = bits.read(8)
    bits.read(16)
    number = bits.unsigned()
    chroma, separate = 1, False
    if profile in _WITH_CHROMA_FORMAT:
        chroma = bits.unsigned()
        separate = chroma == 3 and bool(bits.read(1))
        bits.unsigned()
        bits.unsigned()
        bits.read(1)
        if bits.read(1):
            for index in range(12 if chroma == 3 else 8):
                if bits.read(1):
                    _skip_scaling_list(bits, 16 if index < 6 else 64)
    frame_number_bits = bits.unsigned() + 4
    order = bits.unsigned()
    if order == 0:
        bits.unsigned()
    elif order == 1:
        bits.read(1)
        bits.signed()
        bits.signed()
        for _ in range(min(255, bits.unsigned())):
            bits.signed()
    bits.unsigned()
    bits.read(1)
    bits.unsigned()
    bits.unsigned()
    return number, _Sequence(bool(bits.read(1)), min(16, frame_number_bits), separate)


def _skip_scaling_list(bits: Bits, size: int) -> None:
    """7.3.2.1.1.1."""
    last, following = 8, 8
    for _ in range(size):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last


def _unescaped(unit: bytes) -> bytes:
    """Without emulation prevention: 7.3.1."""
    return unit.replace(b"\0\0\3", b"\0\0")
