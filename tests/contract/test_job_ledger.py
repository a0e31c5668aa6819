"""What every job ledger does: the truth about one job, written by one engine at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from support.plans import media_of, part_result, plan_of
from support.truth import PRINCIPAL, Leader, transcode_job

from cluster.documents import JobRequest, Publication, TaskKey
from cluster.ledgers.journal import JournalLedger
from cluster.ports import JobLedger
from control_plane.db.job_ledger import PostgresJobLedger
from control_plane.events import Wakeup
from control_plane.service.jobs import JobService
from control_plane.service.views import JobStatus
from transcoder.errors import CanceledError, ConflictError, LeaseLostError, StorageError, UnsupportedMediaError
from transcoder.results import PartResult

KEY = TaskKey(kind="video", index=0)
PLAN = plan_of(20)


@dataclass
class Job:
    """One job and the ledger that works on it now. `take_over` is what the next engine does after a crash."""

    ledger: JobLedger
    take_over: Callable[[], Awaitable[JobLedger]]
    outcome: Callable[[], Awaitable[str | None]]


@pytest.fixture(params=["journal", "postgres"])
def job(request: pytest.FixtureRequest) -> Job:
    """A job of its own in each technology."""
    made: Job = request.getfixturevalue(f"{request.param}_job")
    return made


@pytest.fixture
def journal_job(tmp_path: Path) -> Job:
    path = tmp_path / "out.journal"
    ledgers = [JournalLedger.create(path, "job", JobRequest())]

    async def take_over() -> JobLedger:
        ledgers[-1].close()
        ledgers.append(JournalLedger.open(path))
        return ledgers[-1]

    async def outcome() -> str | None:
        end = ledgers[-1].outcome
        return end["status"] if end else None

    return Job(ledgers[0], take_over, outcome)


@pytest.fixture
async def postgres_job(engine: AsyncEngine, wakeup: Wakeup, leader: Leader) -> Job:
    leaders = [leader]
    view, ledger = await transcode_job(engine, leader, wakeup)

    async def take_over() -> JobLedger:
        leaders.append(await leaders[-1].replaced())
        return PostgresJobLedger(engine, view.id, leaders[-1].epoch)

    async def outcome() -> str | None:
        status = (await JobService(engine, wakeup).get(PRINCIPAL, view.id)).status
        return None if status is JobStatus.RUNNING else status.value

    return Job(ledger, take_over, outcome)


async def planned(job: Job) -> JobLedger:
    await job.ledger.save_media(media_of(20))
    await job.ledger.save_plan(PLAN)
    return job.ledger


async def test_a_new_job_is_empty(job: Job) -> None:
    state = await job.ledger.load()
    assert (state.media, state.plan, state.commits, state.attempts) == (None, None, (), {})
    assert state.publication.segments == 0
    assert not await job.ledger.cancel_requested()
    assert await job.outcome() is None


async def test_everything_survives_a_takeover(job: Job) -> None:
    ledger = await planned(job)
    attempt = await ledger.begin_attempt(KEY)
    assert await ledger.commit(KEY, attempt, part_result(PLAN, KEY))
    other = TaskKey(kind="audio", index=1)
    await ledger.begin_attempt(other)
    await ledger.publish(Publication(segments=1, seconds=Fraction(1), total_seconds=Fraction(20)))
    before = await ledger.load()
    after = await (await job.take_over()).load()
    assert after == before
    assert after.media == media_of(20)
    assert after.plan == PLAN
    assert after.publication.segments == 1
    assert after.attempts == {str(KEY): 1, str(other): 1}
    assert after.commits[0].result == part_result(PLAN, KEY)


async def test_attempts_count_up_also_across_engines(job: Job) -> None:
    ledger = await planned(job)
    assert await ledger.begin_attempt(KEY) == 1
    await ledger.fail_attempt(KEY, 1, StorageError("gone"))
    assert await ledger.begin_attempt(KEY) == 2
    ledger = await job.take_over()
    assert await ledger.begin_attempt(KEY) == 3


async def test_exactly_one_attempt_is_committed(job: Job) -> None:
    ledger = await planned(job)
    first, second = await ledger.begin_attempt(KEY), await ledger.begin_attempt(KEY)
    late = PartResult(renditions=part_result(PLAN, KEY).renditions, encode_seconds=99)
    assert await ledger.commit(KEY, second, part_result(PLAN, KEY))
    assert not await ledger.commit(KEY, first, late)
    (commit,) = (await ledger.load()).commits
    assert (commit.attempt, commit.result.encode_seconds) == (second, 0)


async def test_a_committed_task_never_begins_again(job: Job) -> None:
    ledger = await planned(job)
    await ledger.commit(KEY, await ledger.begin_attempt(KEY), part_result(PLAN, KEY))
    with pytest.raises(ConflictError):
        await ledger.begin_attempt(KEY)
    ledger = await job.take_over()
    with pytest.raises(ConflictError):
        await ledger.begin_attempt(KEY)


async def test_a_stale_engine_writes_nothing(job: Job) -> None:
    stale = await planned(job)
    attempt = await stale.begin_attempt(KEY)
    fresh = await job.take_over()
    before = await fresh.load()
    result = part_result(PLAN, KEY)
    for write in (
        stale.save_media(media_of(10)),
        stale.save_plan(PLAN),
        stale.begin_attempt(TaskKey(kind="image")),
        stale.commit(KEY, attempt, result),
        stale.publish(Publication(segments=3)),
        stale.succeed({}),
        stale.fail(StorageError("x")),
    ):
        with pytest.raises(LeaseLostError):
            await write
    assert await fresh.load() == before
    assert await job.outcome() is None


async def test_a_plan_is_only_extended(job: Job) -> None:
    ledger = await planned(job)
    with pytest.raises(ConflictError):
        await ledger.save_plan(plan_of(20, slots=50).model_copy(update={"chunks": PLAN.chunks[1:]}))
    await ledger.save_plan(PLAN)
    assert (await ledger.load()).plan == PLAN


@pytest.mark.parametrize(
    ("error", "outcome"), [(UnsupportedMediaError("no"), "FAILED"), (CanceledError("stop"), "CANCELED")]
)
async def test_a_job_ends_with_its_error(job: Job, error: UnsupportedMediaError, outcome: str) -> None:
    await job.ledger.fail(error)
    assert await job.outcome() == outcome


async def test_a_job_succeeds(job: Job) -> None:
    ledger = await planned(job)
    await ledger.succeed({"version": 1})
    assert await job.outcome() == "SUCCEEDED"
