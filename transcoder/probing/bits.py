"""Bits of a coded stream, and its numbers."""

from __future__ import annotations

__all__ = ["Bits"]


class Bits:
    """Reads bits, the most significant first. Errors: IndexError where there are no more."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def read(self, count: int) -> int:
        """An unsigned number of so many bits."""
        end = self._position + count
        if end > 8 * len(self._data):
            raise IndexError("no more bits")
        first, last = self._position >> 3, (end + 7) >> 3
        value = int.from_bytes(self._data[first:last]) >> (8 * last - end)
        self._position = end
        return value & ((1 << count) - 1)

    def unsigned(self) -> int:
        """ue(v): ITU-T H.264, 9.1."""
        zeros = 0
        while not self.read(1):
            zeros += 1
            if zeros > 32:
                raise IndexError("not an Exp-Golomb code")
        return (1 << zeros) - 1 + self.read(zeros)

    def signed(self) -> int:
        """se(v): ITU-T H.264, 9.1.1."""
        code = self.unsigned()
        return (code + 1) // 2 if code & 1 else -(code // 2)
