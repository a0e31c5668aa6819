"""The Redis stream of events: its name, and how to live with a Redis that comes and goes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

__all__ = ["STREAM", "keep_up"]

STREAM: Final = "framemill:events"
RETRY_SECONDS: Final = 1.0
CANCEL_AGAIN_SECONDS: Final = 0.2


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
        await _end(stopped)
        if running is not None:
            await _end(running)


async def _end(future: asyncio.Future[Any]) -> None:
    """Cancel until it has ended: a client library may lose a cancellation that meets an answer."""
    while not future.done():
        future.cancel()
        await asyncio.wait({future}, timeout=CANCEL_AGAIN_SECONDS)
    if not future.cancelled():
        future.exception()
