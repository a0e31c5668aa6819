"""A frame number written into the picture so that it survives scaling and lossy coding.

The top eighth of the picture holds 16 cells, black or white: the number in binary, highest bit first. The
eighth below holds the complement, so that a picture without a counter is noticed and never misread.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["BITS", "BLACK", "WHITE", "CounterError", "draw", "read"]

BITS = 16
BLACK, WHITE = 16, 235
"""Luma of black and white in the limited range of video (ITU-R BT.601 and BT.709)."""


class CounterError(ValueError):
    """The picture has no readable counter."""


def draw(luma: NDArray[np.uint8], number: int) -> None:
    """Write `number` (0 to 65535) into a luma plane of shape (height, width), in place."""
    if not 0 <= number < 1 << BITS:
        raise ValueError(f"{number} does not fit into {BITS} bits")
    height, width = luma.shape
    edges = np.arange(BITS + 1) * width // BITS
    for bit in range(BITS):
        white = bool(number >> (BITS - 1 - bit) & 1)
        columns = slice(edges[bit], edges[bit + 1])
        luma[: height // 8, columns] = WHITE if white else BLACK
        luma[height // 8 : height // 4, columns] = BLACK if white else WHITE


def read(luma: NDArray[np.uint8]) -> int:
    """The number in a luma plane of shape (height, width), at any scale. Errors: CounterError."""
    height, width = luma.shape
    number = 0
    for bit in range(BITS):
        # The middle half of a cell: its borders are blurred by scaling.
        columns = slice((4 * bit + 1) * width // (4 * BITS), (4 * bit + 3) * width // (4 * BITS))
        upper = float(luma[height // 32 : 3 * height // 32, columns].mean())
        lower = float(luma[5 * height // 32 : 7 * height // 32, columns].mean())
        if abs(upper - lower) < (WHITE - BLACK) / 3:
            raise CounterError(f"bit {bit} of the counter is unreadable: luma {upper:.0f} over {lower:.0f}")
        number = number << 1 | (upper > lower)
    return number
