"""Whether this process can do its work: the database and the event store, each asked with a short timeout."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable

import structlog
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from transcoder.documents import Document

__all__ = ["HealthService", "HealthView"]

_PING_SECONDS = 2.0
_log = structlog.get_logger("framemill.health")


class HealthView(Document):
    """What was found. Without the database nothing works; without Redis only latency suffers."""

    role: str
    uptime_seconds: float
    database: bool
    redis: bool


class HealthService:
    """Asks the services that this process depends on."""

    def __init__(self, engine: AsyncEngine, redis: Redis, *, role: str) -> None:
        self._engine = engine
        self._redis = redis
        self._role = role
        self._started = time.monotonic()

    async def check(self) -> HealthView:
        """Both pings at once; takes at most two seconds."""
        database, redis = await asyncio.gather(
            _answers("database", self._ping_database()), _answers("redis", self._ping_redis())
        )
        return HealthView(
            role=self._role,
            uptime_seconds=round(time.monotonic() - self._started, 3),
            database=database,
            redis=redis,
        )

    async def jobs_by_status(self) -> dict[str, int]:
        """How many jobs are in each state, of all owners."""
        async with self._engine.connect() as connection:
            rows = await connection.execute(text("SELECT status, count(*) FROM jobs GROUP BY status"))
            return {str(status): int(count) for status, count in rows}

    async def _ping_database(self) -> None:
        async with self._engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def _ping_redis(self) -> None:
        await self._redis.ping()


async def _answers(name: str, ping: Awaitable[None]) -> bool:
    try:
        await asyncio.wait_for(ping, _PING_SECONDS)
    except Exception as error:  # whatever the reason, the answer is no; the log has the reason
        _log.warning("ping failed", service=name, error=type(error).__name__)
        return False
    return True
