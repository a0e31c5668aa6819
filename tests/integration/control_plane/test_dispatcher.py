"""The dispatcher: leadership, claims, takeover, and jobs that end whatever their run does."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from support.plans import part_result, plan_of
from support.truth import PRINCIPAL, Leader, transcode_job, uploaded_video

from cluster.documents import JobRequest, TaskKey
from control_plane.db.job_ledger import PostgresJobLedger
from control_plane.db.schema import attempts, dispatchers
from control_plane.db.schema import jobs as job_rows
from control_plane.events import OutboxRelay, Wakeup
from control_plane.pipeline import ClaimedJob, Dispatcher
from control_plane.service.jobs import JobService
from control_plane.service.views import JobStatus, JobType, JobView
from control_plane.settings import Settings
from transcoder.errors import LeaseLostError, StorageError, UnsupportedMediaError

Run = Callable[[ClaimedJob], Awaitable[None]]
KEY = TaskKey(kind="video")
PLAN = plan_of(12)


class Bench:
    """Dispatchers on one database, with the relay and the wake-up that feed them."""

    def __init__(self, engine: AsyncEngine, wakeup: Wakeup, jobs: JobService) -> None:
        self.engine, self.wakeup, self.jobs = engine, wakeup, jobs

    def ledger(self, job: ClaimedJob) -> PostgresJobLedger:
        return PostgresJobLedger(self.engine, job.job_id, job.epoch)

    @asynccontextmanager
    async def dispatcher(self, run: Run, *, lease: int = 10, most: int = 4) -> AsyncIterator[asyncio.Task[None]]:
        settings = Settings(data_dir=Path("unused"), lease_seconds=lease, max_running_jobs=most)
        stop = asyncio.Event()
        running = asyncio.create_task(Dispatcher(self.engine, self.wakeup, run, settings).run(stop))
        try:
            yield running
        finally:
            stop.set()
            if not running.cancelled():
                await asyncio.wait_for(running, 10)

    async def ended(self, job: JobView) -> JobView:
        async with asyncio.timeout(15):
            async for event in self.jobs.events(PRINCIPAL, job.id):
                last = event.job
        return last


@pytest.fixture
async def bench(engine: AsyncEngine, wakeup: Wakeup, jobs: JobService, redis: Redis) -> AsyncIterator[Bench]:
    stop = asyncio.Event()
    parts = [asyncio.create_task(part) for part in (wakeup.run(stop), OutboxRelay(engine, redis).run(stop))]
    yield Bench(engine, wakeup, jobs)
    stop.set()
    await asyncio.gather(*parts)


async def test_a_transcode_waits_for_its_analysis(bench: Bench) -> None:
    order: list[JobType] = []

    async def run(job: ClaimedJob) -> None:
        order.append(job.type)
        await bench.ledger(job).succeed({})

    video, _ = await uploaded_video(bench.engine)
    job, _ = await bench.jobs.create_transcode(PRINCIPAL, video.id, request=JobRequest(), priority=9)
    async with bench.dispatcher(run):
        assert (await bench.ended(job)).status is JobStatus.SUCCEEDED
    assert order == [JobType.ANALYZE, JobType.TRANSCODE]


async def test_what_a_run_gets(bench: Bench) -> None:
    got: list[ClaimedJob] = []

    async def run(job: ClaimedJob) -> None:
        got.append(job)
        await bench.ledger(job).succeed({})

    video, analysis = await uploaded_video(bench.engine)
    job, _ = await bench.jobs.create_transcode(PRINCIPAL, video.id, request=JobRequest(lane="cpu"))
    async with bench.dispatcher(run):
        await bench.ended(job)
    assert [(one.job_id, one.video_id, one.owner_id) for one in got] == [
        (analysis.id, video.id, video.owner_id),
        (job.id, video.id, video.owner_id),
    ]
    assert (got[0].package_prefix, got[0].unusable) == (None, None)
    assert got[1].package_prefix == f"packages/{video.id}/{job.package_id}"
    assert got[1].request == JobRequest(lane="cpu")
    assert got[1].source_key.startswith("sources/")


async def test_no_more_jobs_than_allowed_and_the_urgent_one_first(bench: Bench) -> None:
    full, gate = asyncio.Event(), asyncio.Event()
    started: list[uuid.UUID] = []
    running = most = 0

    async def run(job: ClaimedJob) -> None:
        nonlocal running, most
        started.append(job.job_id)
        running += 1
        most = max(most, running)
        if running == 2:
            full.set()
        await gate.wait()
        await bench.ledger(job).succeed({})
        running -= 1

    made = [(await uploaded_video(bench.engine))[1] for _ in range(5)]
    async with bench.engine.begin() as connection:
        await connection.execute(update(job_rows).where(job_rows.c.id == made[3].id).values(priority=5))
    async with bench.dispatcher(run, most=2):
        await full.wait()
        gate.set()
        for job in made:
            assert (await bench.ended(job)).status is JobStatus.SUCCEEDED
    assert most == 2
    assert started == [made[n].id for n in (3, 0, 1, 2, 4)]


@pytest.mark.parametrize(
    ("error", "code"),
    [(UnsupportedMediaError("no"), "UNSUPPORTED_MEDIA"), (ZeroDivisionError("secret"), "INTERNAL"), (None, "INTERNAL")],
)
async def test_a_run_that_leaves_its_job_open(bench: Bench, error: Exception | None, code: str) -> None:
    async def run(_: ClaimedJob) -> None:
        if error is not None:
            raise error

    _, job = await uploaded_video(bench.engine)
    async with bench.dispatcher(run):
        view = await bench.ended(job)
    assert view.status is JobStatus.FAILED
    assert view.error is not None
    assert view.error.code == code
    assert "secret" not in view.model_dump_json()
    assert ("errorId" in view.error.details) == (code == "INTERNAL")


async def test_an_error_that_the_run_has_written_is_written_once(bench: Bench) -> None:
    async def run(job: ClaimedJob) -> None:
        await bench.ledger(job).fail(StorageError("first"))
        raise StorageError("second")

    _, job = await uploaded_video(bench.engine)
    async with bench.dispatcher(run):
        view = await bench.ended(job)
    assert view.error is not None
    assert view.error.message == "first"


async def test_a_transcode_of_a_source_that_is_no_use_fails_without_a_run(bench: Bench) -> None:
    ran: list[JobType] = []

    async def run(job: ClaimedJob) -> None:
        ran.append(job.type)
        await bench.ledger(job).fail(UnsupportedMediaError("no moov"))

    video, _ = await uploaded_video(bench.engine)
    job, _ = await bench.jobs.create_transcode(PRINCIPAL, video.id, request=JobRequest())
    async with bench.dispatcher(run):
        view = await bench.ended(job)
    assert ran == [JobType.ANALYZE]
    assert view.started_at is not None
    assert view.error is not None
    assert (view.error.code, view.error.message) == ("UNSUPPORTED_MEDIA", "no moov")


async def test_a_dead_leaders_jobs_are_taken_over(bench: Bench, leader: Leader) -> None:
    job, dead = await transcode_job(bench.engine, leader, bench.wakeup)
    await dead.save_plan(PLAN)
    assert await dead.commit(KEY, await dead.begin_attempt(KEY), part_result(PLAN, KEY))
    other = TaskKey(kind="image")
    await dead.begin_attempt(other)
    async with bench.engine.begin() as connection:
        # The leader is gone without a word: its lease runs out.
        await connection.execute(text("UPDATE dispatchers SET expires_at = now() + interval '0.5 s'"))

    async def run(claimed: ClaimedJob) -> None:
        ledger = bench.ledger(claimed)
        state = await ledger.load()
        assert [commit.key for commit in state.commits] == [KEY]
        assert await ledger.begin_attempt(other) == 2
        with pytest.raises(LeaseLostError):
            await dead.succeed({})
        await ledger.succeed({})

    async with bench.dispatcher(run):
        assert (await bench.ended(job)).status is JobStatus.SUCCEEDED
    async with bench.engine.connect() as connection:
        found = await connection.execute(
            select(attempts.c.task_key, attempts.c.number, attempts.c.status).order_by(
                attempts.c.task_key, attempts.c.number
            )
        )
        assert found.all() == [(str(other), 1, "LOST"), (str(other), 2, "LOST"), (str(KEY), 1, "COMMITTED")]


async def test_a_lost_lease_cancels_the_jobs_and_writes_nothing(bench: Bench) -> None:
    started, canceled = asyncio.Event(), asyncio.Event()

    async def run(_: ClaimedJob) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            canceled.set()

    _, job = await uploaded_video(bench.engine)
    async with bench.dispatcher(run, lease=1):
        await started.wait()
        async with bench.engine.begin() as connection:
            await connection.execute(
                update(dispatchers).values(
                    holder=uuid.uuid4(), epoch=dispatchers.c.epoch + 1,
                    expires_at=text("now() + interval '1 hour'"),
                )
            )  # fmt: skip
        await asyncio.wait_for(canceled.wait(), 3)
        view = await bench.jobs.get(PRINCIPAL, job.id)
    assert (view.status, view.error) == (JobStatus.RUNNING, None)


async def test_a_clean_stop_hands_over_at_once(bench: Bench) -> None:
    started = asyncio.Event()

    async def hang(_: ClaimedJob) -> None:
        started.set()
        await asyncio.Event().wait()

    async def run(job: ClaimedJob) -> None:
        await bench.ledger(job).succeed({})

    _, job = await uploaded_video(bench.engine)
    async with bench.dispatcher(hang, lease=600):
        await started.wait()
    assert (await bench.jobs.get(PRINCIPAL, job.id)).status is JobStatus.RUNNING
    async with bench.dispatcher(run, lease=600):
        assert (await bench.ended(job)).status is JobStatus.SUCCEEDED
    async with bench.engine.connect() as connection:
        assert (await connection.execute(select(dispatchers.c.epoch))).scalar_one() == 2


async def test_one_leads_and_the_other_stands_by(bench: Bench) -> None:
    led: list[str] = []

    def runner(name: str) -> Run:
        async def run(job: ClaimedJob) -> None:
            led.append(name)
            await bench.ledger(job).succeed({})

        return run

    async with bench.dispatcher(runner("a")), bench.dispatcher(runner("b")):
        for _ in range(3):
            _, job = await uploaded_video(bench.engine)
            await bench.ended(job)
    assert len(led) == 3
    assert len(set(led)) == 1


async def test_a_job_survives_a_database_that_drops_its_connections(bench: Bench) -> None:
    runs = 0

    async def run(job: ClaimedJob) -> None:
        nonlocal runs
        runs += 1
        async with bench.engine.connect() as connection:
            if runs == 1:
                await connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        await bench.ledger(job).succeed({})

    _, job = await uploaded_video(bench.engine)
    async with bench.dispatcher(run):
        assert (await bench.ended(job)).status is JobStatus.SUCCEEDED
    assert runs == 2


async def test_a_job_survives_a_pool_that_is_exhausted(bench: Bench) -> None:
    runs = 0

    async def run(job: ClaimedJob) -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            small = create_async_engine(bench.engine.url, pool_size=1, max_overflow=0, pool_timeout=0.01)
            try:
                async with small.connect(), small.connect():
                    raise AssertionError("the pool has one connection")
            finally:
                await small.dispose()
        await bench.ledger(job).succeed({})

    _, job = await uploaded_video(bench.engine)
    async with bench.dispatcher(run):
        assert (await bench.ended(job)).status is JobStatus.SUCCEEDED
    assert runs == 2
