"""The Redis stream of events: its name, and how to live with a Redis that comes and goes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

__all__ = ["STREAM", "keep_up"]

STREAM: Final = "framemill:events"
RETRY_SECONDS: Final = 1.0


async def keep_up(
    work: Callable[[], Awaitable[None]],
    stop: asyncio.Event,
    *,
    absent: tuple[type[Exception], ...],
    on_absent: Callable[[Exception], None],
) -> None:
    """Run `work` until `stop` is set, again a second after each error of the kinds in `absent`."""
    stopped = asyncio.ensure_future(stop.wait())
    running: asyncio.Future[None] | None = None
    try:
        while not stop.is_set():
            running = asyncio.ensure_future(work())
            await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                break
            try:
                await running
            except absent as error:
                on_absent(error)
                await asyncio.wait({stopped}, timeout=RETRY_SECONDS)
    finally:
        for future in (running, stopped):
            if future is not None and not future.done():
                future.cancel()
                await asyncio.wait({future})
