"""Blocking work in threads: who is cancelled leaves no thread behind that still writes."""

from __future__ import annotations

import asyncio
import threading

import pytest

from cluster.threads import in_thread


async def test_the_result_and_the_error_come_back() -> None:
    assert await in_thread(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await in_thread(divmod, 7, 0)


async def test_a_cancelled_caller_waits_for_the_end() -> None:
    begun, go, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go.wait(30)
        ended.set()

    caller = asyncio.create_task(in_thread(work))
    await asyncio.to_thread(begun.wait, 30)
    for _ in range(2):
        caller.cancel()
        done, _ = await asyncio.wait({caller}, timeout=0.05)
        assert not done
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert ended.is_set()
