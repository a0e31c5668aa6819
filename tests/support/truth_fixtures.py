"""One PostgreSQL and one Valkey for all tests here; a fresh database and a flushed Valkey for each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from control_plane.db import create_engine
from control_plane.events import Wakeup
from control_plane.service.jobs import JobService
from support.truth import Leader, Servers


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    servers = Servers()
    servers.start()
    yield servers
    servers.stop()


@pytest.fixture
async def engine(servers: Servers) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(servers.fresh_database())
    yield engine
    await engine.dispose()


@pytest.fixture
async def redis(servers: Servers) -> AsyncIterator[Redis]:
    client = Redis.from_url(servers.redis_url)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
def wakeup(redis: Redis) -> Wakeup:
    return Wakeup(redis)


@pytest.fixture
def jobs(engine: AsyncEngine, wakeup: Wakeup) -> JobService:
    return JobService(engine, wakeup)


@pytest.fixture
async def leader(engine: AsyncEngine) -> Leader:
    return await Leader(engine).lead()
