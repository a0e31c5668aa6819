"""The schema guards itself: migrations, illegal states and second live jobs are stopped by PostgreSQL."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine
from support.truth import Leader, uploaded_video

from control_plane.db import migrate
from control_plane.db.engine import storable
from control_plane.db.schema import METADATA, job_history, jobs
from control_plane.service.views import JobStatus

LEGAL = {
    ("QUEUED", "RUNNING"), ("QUEUED", "CANCELED"),
    ("RUNNING", "SUCCEEDED"), ("RUNNING", "FAILED"), ("RUNNING", "CANCELED"),
}  # fmt: skip


async def test_the_migrations_make_the_tables_of_the_schema(engine: AsyncEngine) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        return list(compare_metadata(context, METADATA))

    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_every_row_has_an_owner(engine: AsyncEngine) -> None:
    def ownerless(connection: Connection) -> set[str]:
        found = inspect(connection)
        return {
            table
            for table in found.get_table_names()
            if not any(c["name"] == "owner_id" and not c["nullable"] for c in found.get_columns(table))
        }

    async with engine.connect() as connection:
        assert await connection.run_sync(ownerless) == {"alembic_version"}


async def test_many_starts_at_once_migrate_once(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("DROP SCHEMA public CASCADE"))
        await connection.execute(text("CREATE SCHEMA public"))
    await asyncio.gather(*(migrate(engine) for _ in range(5)))
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM users"))).scalar_one() == 1


@pytest.mark.parametrize("before", list(JobStatus))
async def test_sql_refuses_every_illegal_step(engine: AsyncEngine, before: JobStatus) -> None:
    _, job = await uploaded_video(engine)
    path = {"QUEUED": [], "RUNNING": ["RUNNING"], "CANCELED": ["CANCELED"]}.get(before, ["RUNNING", before.value])
    for status in path:
        await _set(engine, job.id, status)
    for to in JobStatus:
        if to is before:
            continue
        async with engine.connect() as connection:
            change = update(jobs).where(jobs.c.id == job.id).values(status=to.value)
            if (before.value, to.value) in LEGAL:
                await connection.execute(change)
            else:
                with pytest.raises(DBAPIError, match="a job cannot go from") as caught:
                    await connection.execute(change)
                assert caught.value.orig is not None
                assert caught.value.orig.sqlstate == "FM001"  # type: ignore[attr-defined]
            await connection.rollback()
    async with engine.connect() as connection:
        rows = await connection.execute(
            select(job_history.c.from_status, job_history.c.to_status).order_by(job_history.c.id)
        )
        states = ["QUEUED", *path]
        assert rows.all() == list(zip([None, *states], states, strict=False))


async def test_an_epoch_never_goes_back(engine: AsyncEngine) -> None:
    _, job = await uploaded_video(engine)
    async with engine.begin() as connection:
        await connection.execute(update(jobs).where(jobs.c.id == job.id).values(epoch=5))
    with pytest.raises(DBAPIError, match="never goes back"):
        async with engine.begin() as connection:
            await connection.execute(update(jobs).where(jobs.c.id == job.id).values(epoch=4))


async def test_one_live_job_of_a_type_per_video(engine: AsyncEngine) -> None:
    _, job = await uploaded_video(engine)
    copy = text(
        "INSERT INTO jobs (id, owner_id, video_id, type, status, status_reason, request, priority, labels, publication)"
        " SELECT :new, owner_id, video_id, type, 'QUEUED', '', request, 0, labels, publication FROM jobs"
        " WHERE id = :old"
    )
    with pytest.raises(IntegrityError, match="jobs_one_live_per_video_and_type"):
        async with engine.begin() as connection:
            await connection.execute(copy, {"new": uuid.uuid4(), "old": job.id})
    await _set(engine, job.id, "CANCELED")
    async with engine.begin() as connection:
        await connection.execute(copy, {"new": uuid.uuid4(), "old": job.id})


async def test_a_lease_has_one_holder_and_its_epoch_grows(engine: AsyncEngine) -> None:
    candidates = [Leader(engine) for _ in range(5)]
    epochs = await asyncio.gather(*(one.lease.acquire() for one in candidates))
    assert sorted(epochs, key=str) == [1, None, None, None, None]
    winner = candidates[epochs.index(1)]
    assert await winner.lease.renew(1)
    await winner.lease.release(1)
    assert not await winner.lease.renew(1)
    assert (await Leader(engine).lead()).epoch == 2


def test_what_postgres_cannot_store_is_replaced() -> None:
    assert storable({"a\0": ["x\ud800", 1, None]}) == {"a\ufffd": ["x?", 1, None]}


async def _set(engine: AsyncEngine, job_id: uuid.UUID, status: str) -> None:
    async with engine.begin() as connection:
        await connection.execute(update(jobs).where(jobs.c.id == job_id).values(status=status))
