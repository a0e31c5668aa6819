"""Blocking work in a thread whose end is always waited for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

__all__ = ["in_thread"]

_P = ParamSpec("_P")
_T = TypeVar("_T")


async def in_thread(function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Run `function` in a thread. A cancelled caller first waits for its end, and is cancelled then.

    `asyncio.to_thread` leaves at once and the thread writes on: what is written next could then be overtaken by it.
    """
    work = asyncio.ensure_future(asyncio.to_thread(partial(function, *args, **kwargs)))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        while not work.done():
            # Whoever cancels again waits as well: a write cannot be taken back halfway.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({work})
        if not work.cancelled():
            work.exception()  # looked at, so that nobody warns about it; the cancellation comes first
        raise
