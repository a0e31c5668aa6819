"""The outbox relay: unpublished events to the Redis stream `framemill:events`, at least once.

Order of writes: XADD first, then `published_at`. A crash between the two sends an event twice, never not at all.
One relay works at a time (an advisory lock), so that the events of a job keep their order in the stream.
"""

from __future__ import annotations

import asyncio
import json
from typing import Final

import psycopg
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from control_plane.db.schema import outbox
from control_plane.events.cloud_event import cloud_event
from control_plane.events.stream import STREAM, keep_up

__all__ = ["OutboxRelay"]

_log = structlog.get_logger(__name__)

MAX_EVENTS: Final = 100_000
"""About so many events stay in the stream; the outbox keeps all."""

BATCH: Final = 200
POLL_SECONDS: Final = 5.0
"""How long an event can wait when its notification was lost."""

_RELAY_LOCK: Final = 0x4672_656C_6179


class OutboxRelay:
    """Publishes until told to stop; waits out an absent PostgreSQL or Redis."""

    def __init__(self, engine: AsyncEngine, redis: Redis) -> None:
        self._engine = engine
        self._redis = redis
        self._healthy = True

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until `stop` is set, woken by PostgreSQL's NOTIFY."""
        await keep_up(
            self._follow, stop,
            absent=(RedisError, SQLAlchemyError, psycopg.Error, OSError), on_absent=self._on_absent,
        )  # fmt: skip

    def _on_absent(self, error: Exception) -> None:
        if self._healthy:
            _log.warning("relay.waiting", cause=type(error).__name__)
        self._healthy = False

    async def publish_pending(self) -> int:
        """Publish one batch of waiting events; how many. 0 also when another relay is at it."""
        async with self._engine.begin() as connection:
            locked = await connection.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _RELAY_LOCK})
            if not locked.scalar_one():
                return 0
            rows = await connection.execute(
                select(outbox).where(outbox.c.published_at.is_(None)).order_by(outbox.c.id).limit(BATCH)
            )
            events = rows.mappings().all()
            if not events:
                return 0
            async with self._redis.pipeline(transaction=False) as pipeline:
                for event in events:
                    document = json.dumps(cloud_event(dict(event)), separators=(",", ":"))
                    pipeline.xadd(STREAM, {"event": document}, maxlen=MAX_EVENTS, approximate=True)
                await pipeline.execute()
            await connection.execute(
                update(outbox)
                .where(outbox.c.id.in_([event["id"] for event in events]))
                .values(published_at=func.clock_timestamp())
            )
            return len(events)

    async def _follow(self) -> None:
        """Listen first, then empty the outbox, then wait: nothing falls between the two."""
        url = self._engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as listener:
            await listener.execute("LISTEN framemill_outbox")
            while True:
                while await self.publish_pending():
                    pass
                self._healthy = True
                async for _ in listener.notifies(timeout=POLL_SECONDS, stop_after=1):
                    pass
