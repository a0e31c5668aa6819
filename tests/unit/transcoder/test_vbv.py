"""The buffer's arithmetic, and that chunks under it join: whatever they spend, nobody goes short."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from transcoder.vbv import Shortage, chunk_budget, first_shortage, join_bits

RATE, BUFFER = 1_000_000, 1_500_000


def test_a_bucket_that_starts_full() -> None:
    # 1,500,000 bits at once are there; one byte more is 8 bits too many.
    assert first_shortage([(0, 187_500)], 25, RATE, BUFFER) is None
    assert first_shortage([(0, 187_501)], 25, RATE, BUFFER) == Shortage(0, 8)
    # A twenty-fifth of a second later there are 40,000 bits again.
    assert first_shortage([(0, 187_500), (1, 5_000)], 25, RATE, BUFFER) is None
    assert first_shortage([(0, 187_500), (1, 5_001)], 25, RATE, BUFFER) == Shortage(1, 8)
    # It never holds more than its size, however long nothing is taken.
    assert first_shortage([(0, 0), (25_000, 187_501)], 25, RATE, BUFFER) == Shortage(1, 8)


def test_what_a_join_costs() -> None:
    assert join_bits(RATE, BUFFER, Fraction(4)) == BUFFER / 2
    assert join_bits(RATE, BUFFER, Fraction(1, 2)) == RATE * 3 / 8
    budget = chunk_budget(RATE, BUFFER, Fraction(4), before=Fraction(4))
    assert (budget.max_bitrate, budget.buffer, budget.initial) == (812_500, 750_000, 750_000)
    budget = chunk_budget(RATE, BUFFER, Fraction(1), before=Fraction(1, 2))
    assert (budget.max_bitrate, budget.buffer, budget.initial) == (250_000, 416_666, 375_000)
    assert chunk_budget(RATE, BUFFER, Fraction(4), before=Fraction(0)).initial == BUFFER / 2
    last = chunk_budget(RATE, BUFFER, Fraction(1, 25), before=Fraction(4), last=True)
    assert (last.max_bitrate, last.initial) == (RATE, 750_000)


@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=8),
    greed=st.lists(st.sampled_from([0.0, 0.3, 1.0]), min_size=1, max_size=7),
)
def test_any_chunks_that_keep_their_budgets_join(lengths: list[int], greed: list[float]) -> None:
    """25 pictures a second; each takes a share of all that its own chunk's bucket holds at its time."""
    pictures: list[tuple[int, int]] = []
    for index, length in enumerate(lengths):
        before = Fraction(lengths[index - 1], 25) if index else Fraction(0)
        budget = chunk_budget(RATE, BUFFER, Fraction(length, 25), before=before, last=index == len(lengths) - 1)
        assert 0 < budget.initial <= budget.buffer and budget.max_bitrate > 0
        level = Fraction(budget.initial)
        for number in range(length):
            if number:
                level = min(Fraction(budget.buffer), level + Fraction(budget.max_bitrate, 25))
            size = int(level * Fraction(greed[len(pictures) % len(greed)])) // 8
            level -= 8 * size
            pictures.append((len(pictures), size))
    assert first_shortage(pictures, 25, RATE, BUFFER) is None
