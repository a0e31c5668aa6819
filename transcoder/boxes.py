"""Boxes of the ISO base media file format, read strictly (ISO/IEC 14496-12, clause 4).

The input is hostile: every length is checked against its parent's before it is used, and whatever does not fit is a
VerificationError with the offset.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from transcoder.errors import VerificationError

__all__ = ["Box", "Cursor", "Fields", "boxes", "damaged", "find", "only"]

_MOST_BOXES = 10_000


class Box(NamedTuple):
    """One box: its four-character type, where it starts, where its payload starts, and its exclusive end."""

    type: str
    start: int
    body: int
    end: int


def boxes(data: bytes, parent: Box) -> Iterator[Box]:
    """The boxes in a parent's payload, in order (4.2). Errors: VerificationError where one does not fit."""
    position = parent.body
    for _ in range(_MOST_BOXES):
        if position == parent.end:
            return
        if parent.end - position < 8:
            raise damaged(f"{parent.type!r} is cut off", position)
        size, body = int.from_bytes(data[position : position + 4]), position + 8
        kind = data[position + 4 : body].decode("latin-1")
        if size == 1:
            if parent.end - position < 16:
                raise damaged(f"{kind!r} is cut off", position)
            size, body = int.from_bytes(data[body : body + 8]), position + 16
        elif size == 0:
            size = parent.end - position
        if size < body - position or size > parent.end - position:
            raise damaged(f"{kind!r} has an impossible size or is cut off", position)
        yield Box(kind, position, body, position + size)
        position += size
    raise damaged(f"{parent.type!r} has too many boxes", position)


def damaged(reason: str, offset: int) -> VerificationError:
    """The error to raise for what does not fit; `offset` is in bytes from the start of the file."""
    return VerificationError(f"not a valid CMAF file: {reason} (at byte {offset})", {"offset": offset})


def find(data: bytes, kind: str, parent: Box) -> list[Box]:
    """All children of a type, in order."""
    return [box for box in boxes(data, parent) if box.type == kind]


def only(data: bytes, kind: str, parent: Box) -> Box:
    """The one child of a type. Errors: VerificationError where there is none, or more than one."""
    found = find(data, kind, parent)
    if len(found) != 1:
        raise damaged(f"{parent.type!r} has {len(found)} {kind!r} boxes instead of one", parent.start)
    return found[0]


class Cursor:
    """Reads big-endian integers from a span and never past its end."""

    def __init__(self, data: bytes, box: Box, position: int) -> None:
        self.data, self.box, self.position = data, box, position

    def take(self, count: int) -> bytes:
        """The next bytes. Errors: VerificationError where the box ends before."""
        if count > self.box.end - self.position:
            raise damaged(f"{self.box.type!r} is too short", self.box.start)
        self.position += count
        return self.data[self.position - count : self.position]

    def number(self, count: int, *, signed: bool = False) -> int:
        """The next integer of so many bytes."""
        return int.from_bytes(self.take(count), signed=signed)

    def u32(self) -> int:
        """The next unsigned integer of 32 bits."""
        return self.number(4)

    def text(self, count: int) -> str:
        """The next characters, one a byte."""
        return self.take(count).decode("latin-1")


class Fields(Cursor):
    """The fields of a full box (4.2.2): version and flags, then the rest."""

    def __init__(self, data: bytes, box: Box) -> None:
        super().__init__(data, box, box.body)
        self.version, self.flags = self.number(1), self.number(3)

    def skip(self, count: int) -> Fields:
        """Step over so many bytes."""
        self.take(count)
        return self
