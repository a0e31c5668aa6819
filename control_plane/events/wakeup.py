"""A wake-up for everybody in this process who waits for a change, fed by the Redis stream.

It carries no news: whoever is woken reads PostgreSQL. So it may be late, wake for nothing, or be absent.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from control_plane.events.stream import STREAM, keep_up

__all__ = ["Wakeup"]

_log = structlog.get_logger(__name__)

BLOCK_MILLISECONDS: Final = 2_000
HEALTHY_SECONDS: Final = 5.0
"""How long a waiter waits while Redis answers: a relay in another process may be down unseen."""

UNHEALTHY_SECONDS: Final = 1.0
"""How long a waiter waits while Redis does not: PostgreSQL is then read this often."""


class Wakeup:
    """Take a ticket, read the truth, then wait for the ticket: a change in between wakes at once."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._changed = asyncio.Event()
        self._healthy = False

    def ticket(self) -> asyncio.Event:
        """Something to wait for, set by the next change after this call."""
        return self._changed

    async def wait(self, ticket: asyncio.Event, timeout_seconds: float | None = None) -> None:
        """Wait for the change; at most 5 s, 1 s while Redis is down, and never longer than asked."""
        limit = HEALTHY_SECONDS if self._healthy else UNHEALTHY_SECONDS
        if timeout_seconds is not None:
            limit = min(limit, timeout_seconds)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ticket.wait(), limit)

    def notify(self) -> None:
        """Wake everybody who waits."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the stream until `stop` is set; wait out an absent Redis."""
        try:
            await keep_up(self._follow, stop, absent=(RedisError, OSError), on_absent=self._on_absent)
        finally:
            self._healthy = False

    def _on_absent(self, error: Exception) -> None:
        if self._healthy:
            _log.warning("wakeup.redis_down", cause=type(error).__name__)
        self._healthy = False

    async def _follow(self) -> None:
        """Read from the end of the stream. After a flush or a restart its ids go on: they are times."""
        newest: Any = await self._redis.xrevrange(STREAM, count=1)
        last: bytes = newest[0][0] if newest else b"0-0"
        self._healthy = True
        # Whatever was missed until here is found by reading again.
        self.notify()
        while True:
            answer: Any = await self._redis.xread({STREAM: last}, count=1000, block=BLOCK_MILLISECONDS)
            for _, entries in answer:
                last = entries[-1][0]
                self.notify()
