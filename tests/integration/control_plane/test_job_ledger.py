"""What the PostgreSQL ledger does beyond the contract: videos, packages, events, fencing."""

from __future__ import annotations

import asyncio
from fractions import Fraction
from typing import Any

import pytest
from sqlalchemy import Table, select, text
from sqlalchemy.ext.asyncio import AsyncEngine
from support.plans import media_of, part_result, plan_of
from support.truth import PRINCIPAL, Leader, transcode_job, uploaded_video

from cluster.documents import Publication, TaskKey
from cluster.units import task_keys
from control_plane.db.job_ledger import PostgresJobLedger
from control_plane.db.schema import attempts, derivatives, job_history, outbox, packages, tasks
from control_plane.events import Wakeup
from control_plane.service.jobs import JobService
from control_plane.service.videos import VideoService
from control_plane.service.views import JobStatus, JobView, VideoStatus
from transcoder.errors import CanceledError, ConflictError, LeaseLostError, StorageError, UnsupportedMediaError

PLAN = plan_of(12)
KEY = TaskKey(kind="video")


async def rows(engine: AsyncEngine, table: Table) -> list[dict[str, Any]]:
    async with engine.connect() as connection:
        found = await connection.execute(select(table).order_by(*table.primary_key))
        return [dict(row) for row in found.mappings()]


async def event_types(engine: AsyncEngine, job: JobView) -> list[str]:
    found = [row for row in await rows(engine, outbox) if row["job_id"] == job.id]
    assert [row["job_seq"] for row in found] == list(range(1, len(found) + 1))
    return [row["type"] for row in found]


async def status_of(engine: AsyncEngine, job: JobView) -> VideoStatus:
    return (await VideoService(engine).get(PRINCIPAL, job.video_id)).status


async def finish(ledger: PostgresJobLedger) -> None:
    await ledger.save_media(media_of(12))
    await ledger.save_plan(PLAN)
    for key in task_keys(PLAN):
        assert await ledger.commit(key, await ledger.begin_attempt(key), part_result(PLAN, key))
    await ledger.publish(Publication(segments=5, seconds=Fraction(12), total_seconds=Fraction(12), final=True))
    await ledger.succeed({"version": 1})


async def test_a_whole_job(engine: AsyncEngine, leader: Leader, wakeup: Wakeup, jobs: JobService) -> None:
    job, ledger = await transcode_job(engine, leader, wakeup)
    assert await status_of(engine, job) is VideoStatus.PROCESSING
    await finish(ledger)

    view = await jobs.get(PRINCIPAL, job.id)
    assert (view.status, view.report, view.error) == (JobStatus.SUCCEEDED, {"version": 1}, None)
    assert view.tasks_total == view.tasks_committed == len(task_keys(PLAN))
    assert view.publication.final
    assert (view.renditions[0].id, view.renditions[0].height) == ("v480", 480)
    assert all(one.average_bandwidth for one in view.renditions)
    video = await VideoService(engine).get(PRINCIPAL, job.video_id)
    assert (video.status, video.package_id, video.media) == (VideoStatus.READY, job.package_id, media_of(12))
    assert [row["status"] for row in await rows(engine, packages)] == ["READY"]
    made = {(row["kind"], row["name"]) for row in await rows(engine, derivatives)}
    assert ("poster", "poster.jpg") in made
    assert {name for kind, name in made if kind == "rendition"} == {one.id for one in view.renditions}

    types = await event_types(engine, job)
    assert types[:4] == ["job.queued", "job.started", "video.analyzed", "job.progress"]
    assert types.count("video.playable") == 1
    assert types[-3:] == ["package.published", "video.ready", "job.succeeded"]
    history = [row["to_status"] for row in await rows(engine, job_history) if row["job_id"] == job.id]
    assert history == ["QUEUED", "RUNNING", "SUCCEEDED"]


async def test_a_stale_epoch_writes_nothing(engine: AsyncEngine, leader: Leader, wakeup: Wakeup) -> None:
    job, stale = await transcode_job(engine, leader, wakeup)
    await stale.save_plan(PLAN)
    number = await stale.begin_attempt(KEY)
    await leader.replaced()
    before = [await rows(engine, table) for table in (tasks, attempts, outbox, packages)]
    for write in (
        stale.save_media(media_of(1)),
        stale.save_plan(PLAN),
        stale.begin_attempt(KEY),
        stale.fail_attempt(KEY, number, StorageError("gone")),
        stale.commit(KEY, number, part_result(PLAN, KEY)),
        stale.publish(Publication(segments=1)),
        stale.succeed({}),
        stale.fail(StorageError("gone")),
    ):
        with pytest.raises(LeaseLostError):
            await write
    assert [await rows(engine, table) for table in (tasks, attempts, outbox, packages)] == before
    assert [row["status"] for row in await rows(engine, attempts)] == ["LOST"]
    assert await status_of(engine, job) is VideoStatus.PROCESSING


async def test_racing_commits_have_one_winner(engine: AsyncEngine, leader: Leader, wakeup: Wakeup) -> None:
    _, ledger = await transcode_job(engine, leader, wakeup)
    await ledger.save_plan(PLAN)
    numbers = [await ledger.begin_attempt(KEY) for _ in range(6)]
    won = await asyncio.gather(*(ledger.commit(KEY, number, part_result(PLAN, KEY)) for number in numbers))
    assert won.count(True) == 1
    states = sorted(row["status"] for row in await rows(engine, attempts))
    assert states == ["COMMITTED", *["RUNNING"] * 5]
    # Said again, for an answer that was lost on the way, it is still true.
    assert await ledger.commit(KEY, numbers[won.index(True)], part_result(PLAN, KEY))


async def test_an_attempt_that_has_failed_cannot_commit(engine: AsyncEngine, leader: Leader, wakeup: Wakeup) -> None:
    _, ledger = await transcode_job(engine, leader, wakeup)
    await ledger.save_plan(PLAN)
    number = await ledger.begin_attempt(KEY)
    await ledger.fail_attempt(KEY, number, StorageError("gone", {"key": "k"}))
    with pytest.raises(ConflictError):
        await ledger.commit(KEY, number, part_result(PLAN, KEY))
    (task,) = [row for row in await rows(engine, tasks) if row["key"] == str(KEY)]
    assert task["committed_attempt"] is None
    (attempt,) = await rows(engine, attempts)
    assert (attempt["status"], attempt["error_code"]) == ("FAILED", "STORAGE_ERROR")
    assert attempt["error_details"] == {"key": "k"}


async def test_a_commit_never_changes_in_sql(engine: AsyncEngine, leader: Leader, wakeup: Wakeup) -> None:
    _, ledger = await transcode_job(engine, leader, wakeup)
    await ledger.save_plan(PLAN)
    await ledger.commit(KEY, await ledger.begin_attempt(KEY), part_result(PLAN, KEY))
    with pytest.raises(Exception, match="the commit of a task never changes"):
        async with engine.begin() as connection:
            await connection.execute(text("UPDATE tasks SET committed_attempt = NULL, result = NULL"))


async def test_a_publication_never_goes_back(engine: AsyncEngine, leader: Leader, wakeup: Wakeup) -> None:
    job, ledger = await transcode_job(engine, leader, wakeup)
    await ledger.publish(Publication(segments=2, seconds=Fraction(2)))
    assert await status_of(engine, job) is VideoStatus.PLAYABLE
    with pytest.raises(ConflictError):
        await ledger.publish(Publication(segments=1, seconds=Fraction(1)))
    await ledger.publish(Publication(segments=3, seconds=Fraction(3)))
    assert (await event_types(engine, job)).count("video.playable") == 1


@pytest.mark.parametrize(
    ("error", "status", "video", "event"),
    [
        (UnsupportedMediaError("no"), JobStatus.FAILED, VideoStatus.FAILED, "job.failed"),
        (CanceledError("stop"), JobStatus.CANCELED, VideoStatus.UPLOADED, "job.canceled"),
    ],
)
async def test_a_job_that_ends_badly(
    engine: AsyncEngine, leader: Leader, wakeup: Wakeup, jobs: JobService,
    error: UnsupportedMediaError, status: JobStatus, video: VideoStatus, event: str,
) -> None:  # fmt: skip
    job, ledger = await transcode_job(engine, leader, wakeup)
    await ledger.publish(Publication(segments=1))
    await ledger.fail(error)
    view = await jobs.get(PRINCIPAL, job.id)
    assert view.status is status
    assert (view.error.code if view.error else None) == (error.code if status is JobStatus.FAILED else None)
    assert await status_of(engine, job) is video
    assert (await event_types(engine, job))[-1] == event
    with pytest.raises(LeaseLostError):
        await ledger.fail(error)


async def test_a_failure_never_touches_a_ready_video(
    engine: AsyncEngine, leader: Leader, wakeup: Wakeup, jobs: JobService
) -> None:
    first, ledger = await transcode_job(engine, leader, wakeup)
    await finish(ledger)
    second, created = await jobs.create_transcode(PRINCIPAL, first.video_id, request=first.request)
    assert created
    ledger = await leader.ledger(second)
    await ledger.publish(Publication(segments=1))
    await ledger.fail(StorageError("gone"))
    video = await VideoService(engine).get(PRINCIPAL, first.video_id)
    assert (video.status, video.package_id, video.error) == (VideoStatus.READY, first.package_id, None)


async def test_an_analysis_ends_without_a_package(engine: AsyncEngine, leader: Leader) -> None:
    _, job = await uploaded_video(engine)
    ledger = await leader.ledger(job)
    hostile = media_of(3).model_copy(update={"container": "mp4\0\ud800"})
    await ledger.save_media(hostile)
    await ledger.save_media(hostile)
    await ledger.succeed({})
    assert await event_types(engine, job) == ["job.queued", "job.started", "video.analyzed", "job.succeeded"]
    video = await VideoService(engine).get(PRINCIPAL, job.video_id)
    assert (video.status, video.package_id) == (VideoStatus.UPLOADED, None)
    assert video.media is not None
    assert video.media.container == "mp4\ufffd?"
