"""The engine's ledger on PostgreSQL: the truth about one running job, for the one epoch that owns it.

Every write first locks the job's row and compares its epoch: a dispatcher that lost its lease finds a newer
one and writes nothing. All of one method is one transaction, its event included.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from uuid import UUID

from pydantic_core import to_jsonable_python
from sqlalchemy import ColumnElement, RowMapping, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cluster.documents import Commit, JobRequest, JobState, Publication, TaskKey
from cluster.units import package_of, task_keys
from control_plane.db.job_record import (
    change_status,
    change_video,
    error_values,
    lock_job,
    package_ready,
    record_event,
)
from control_plane.db.schema import attempts, derivatives, jobs, packages, tasks, videos
from control_plane.domain.plan import extends, planned_renditions
from control_plane.domain.rendition import measured_renditions
from control_plane.domain.video import after_end, after_publication
from control_plane.service.views import JobStatus, JobType, VideoStatus
from transcoder.errors import CanceledError, ConflictError, FramemillError, LeaseLostError, NotFoundError
from transcoder.media import MediaInfo
from transcoder.packaging.package import Package
from transcoder.plan import Plan
from transcoder.results import PartResult

__all__ = ["PostgresJobLedger"]


class PostgresJobLedger:
    """`cluster.ports.JobLedger` for the job `job_id` as claimed with `epoch`."""

    def __init__(self, engine: AsyncEngine, job_id: UUID, epoch: int) -> None:
        self._engine = engine
        self._job_id = job_id
        self._epoch = epoch

    async def load(self) -> JobState:
        """The state of the job as committed so far. Errors: NotFoundError."""
        async with self._engine.connect() as connection:
            # One snapshot: a commit between the two reads would show a task without its attempt.
            await connection.execution_options(isolation_level="REPEATABLE READ")
            query = (
                select(jobs.c.request, jobs.c.plan, jobs.c.publication, videos.c.media)
                .join(videos, videos.c.id == jobs.c.video_id)
                .where(jobs.c.id == self._job_id)
            )
            job = (await connection.execute(query)).mappings().one_or_none()
            rows = await connection.execute(select(tasks).where(tasks.c.job_id == self._job_id).order_by(tasks.c.key))
            found = rows.mappings().all()
        if job is None:
            raise NotFoundError("there is no such job")
        return JobState(
            job_id=str(self._job_id),
            request=JobRequest.model_validate(job["request"]),
            media=MediaInfo.model_validate(job["media"]) if job["media"] is not None else None,
            plan=Plan.model_validate(job["plan"]) if job["plan"] is not None else None,
            commits=tuple(_commit(row) for row in found if row["committed_attempt"] is not None),
            attempts={row["key"]: row["attempts"] for row in found if row["attempts"] > 0},
            publication=Publication.model_validate(job["publication"]),
        )

    async def save_media(self, media: MediaInfo) -> None:
        """Store the analysis with the video; `video.analyzed` when it is new. Errors: LeaseLostError."""
        document = media.model_dump(mode="json")
        async with self._writing() as (connection, job):
            changed = await connection.execute(
                update(videos)
                .where(videos.c.id == job["video_id"], videos.c.media.is_distinct_from(document))
                .values(media=document, updated_at=func.now())
            )
            if changed.rowcount:
                await record_event(connection, self._job_id, "video.analyzed")

    async def save_plan(self, plan: Plan) -> None:
        """Store the plan and a row for each of its tasks; `job.progress` when it is new.

        Errors: LeaseLostError; ConflictError where it is not the stored plan with at most more chunks at the end.
        """
        async with self._writing() as (connection, job):
            stored = Plan.model_validate(job["plan"]) if job["plan"] is not None else None
            if stored == plan:
                return
            if stored is not None and not extends(stored, plan):
                raise ConflictError("a stored plan can only be extended")
            renditions = [view.model_dump(mode="json") for view in planned_renditions(plan)]
            await connection.execute(
                update(jobs)
                .where(jobs.c.id == self._job_id)
                .values(plan=plan.model_dump(mode="json"), renditions=renditions)
            )
            await connection.execute(
                upsert(tasks).on_conflict_do_nothing(),
                [
                    {
                        "job_id": self._job_id, "key": str(key), "owner_id": job["owner_id"],
                        "kind": key.kind, "track": key.track, "index": key.index,
                    }
                    for key in task_keys(plan)
                ],
            )  # fmt: skip
            await record_event(connection, self._job_id, "job.progress")

    async def begin_attempt(self, key: TaskKey) -> int:
        """Give the next attempt of a task its number, unique in the package and in all jobs that share it.

        Errors: LeaseLostError; ConflictError when the task is committed; NotFoundError when it is not planned.
        """
        async with self._writing() as (connection, job):
            row = await connection.execute(
                update(tasks).where(self._is(key)).values(attempts=tasks.c.attempts + 1)
                .returning(tasks.c.attempts, tasks.c.committed_attempt)
            )  # fmt: skip
            numbered = row.one_or_none()
            if numbered is None:
                raise NotFoundError(f"the plan has no task {key}")
            number, committed = numbered
            if committed is not None:
                # The transaction is rolled back, and the number with it.
                raise ConflictError(f"the task {key} is committed", {"attempt": committed})
            await connection.execute(
                insert(attempts).values(
                    job_id=self._job_id, task_key=str(key), number=number, owner_id=job["owner_id"],
                    status="RUNNING", epoch=self._epoch,
                )
            )  # fmt: skip
            return int(number)

    async def fail_attempt(self, key: TaskKey, attempt: int, error: FramemillError) -> None:
        """End a running attempt as FAILED; one that has ended stays as it is. Errors: LeaseLostError."""
        async with self._writing() as (connection, _):
            await self._end_attempt(connection, key, attempt, "FAILED", error)

    async def commit(self, key: TaskKey, attempt: int, result: PartResult) -> bool:
        """Commit by compare-and-set; `job.progress` with it. True again for the attempt that is committed.

        Errors: LeaseLostError; ConflictError for an attempt that is not running.
        """
        async with self._writing() as (connection, _):
            swapped = await connection.execute(
                update(tasks)
                .where(self._is(key), tasks.c.committed_attempt.is_(None))
                .values(
                    committed_attempt=attempt,
                    result=result.model_dump(mode="json"),
                    committed_at=func.clock_timestamp(),
                )
            )
            if not swapped.rowcount:
                known = await connection.execute(select(tasks.c.committed_attempt).where(self._is(key)))
                return known.scalar_one_or_none() == attempt
            if not await self._end_attempt(connection, key, attempt, "COMMITTED", None):
                raise ConflictError(f"attempt {attempt} of the task {key} is not running")
            await record_event(connection, self._job_id, "job.progress")
            return True

    async def publish(self, publication: Publication) -> None:
        """Record what can be played. The first time the video becomes PLAYABLE, and `video.playable` says so.

        Errors: LeaseLostError; ConflictError for a publication that goes back.
        """
        async with self._writing() as (connection, job):
            before = Publication.model_validate(job["publication"])
            if before == publication:
                return
            if publication.segments < before.segments or (before.final and not publication.final):
                raise ConflictError("a publication never goes back")
            document = publication.model_dump(mode="json")
            await connection.execute(update(jobs).where(jobs.c.id == self._job_id).values(publication=document))
            if publication.segments:
                await connection.execute(
                    update(packages)
                    .where(packages.c.id == job["package_id"], packages.c.status != "READY")
                    .values(status="PLAYABLE", publication=document)
                )
            was, now = await change_video(
                connection, job["video_id"], lambda status: after_publication(status, publication.segments)
            )
            if was is not now and now is VideoStatus.PLAYABLE:
                await record_event(connection, self._job_id, "video.playable")
            await record_event(connection, self._job_id, "job.progress")

    async def cancel_requested(self) -> bool:
        """Whether somebody asked for the job to be canceled. Errors: NotFoundError."""
        async with self._engine.connect() as connection:
            found = await connection.execute(select(jobs.c.cancel_requested).where(jobs.c.id == self._job_id))
            flag = found.scalar_one_or_none()
        if flag is None:
            raise NotFoundError("there is no such job")
        return bool(flag)

    async def succeed(self, report: dict[str, object]) -> None:
        """End the job: in one transaction its package becomes READY and the video's.

        `job.succeeded` is the last event of the sequence, after `package.published` and `video.ready`, whose
        snapshots still show the job RUNNING: who watches until the end misses neither. Errors: LeaseLostError.
        """
        async with self._writing() as (connection, job):
            if job["type"] == JobType.TRANSCODE:
                await self._complete_package(connection, job)
                await change_video(
                    connection, job["video_id"],
                    lambda status: after_end(
                        status, JobType.TRANSCODE, JobStatus.SUCCEEDED, has_ready_package=True
                    ),
                    current_package_id=job["package_id"],
                )  # fmt: skip
                await record_event(connection, self._job_id, "package.published")
                await record_event(connection, self._job_id, "video.ready")
            await self._end(connection, JobStatus.SUCCEEDED, "done", report=to_jsonable_python(report))
            await record_event(connection, self._job_id, "job.succeeded")

    async def fail(self, error: FramemillError) -> None:
        """End the job as FAILED, or CANCELED for a CanceledError.

        A video with a READY package stays READY; else it is FAILED, or UPLOADED after a cancel.
        Errors: LeaseLostError.
        """
        status = JobStatus.CANCELED if isinstance(error, CanceledError) else JobStatus.FAILED
        async with self._writing() as (connection, job):
            await connection.execute(
                update(packages)
                .where(packages.c.id == job["package_id"], packages.c.status != "READY")
                .values(status="FAILED")
            )
            ready = await package_ready(connection, job["video_id"])
            await change_video(
                connection, job["video_id"],
                lambda before: after_end(before, JobType(job["type"]), status, has_ready_package=ready), error,
            )  # fmt: skip
            values = error_values(error) if status is JobStatus.FAILED else {}
            await self._end(connection, status, error.message, **values)
            await record_event(connection, self._job_id, f"job.{status.value.lower()}")

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[tuple[AsyncConnection, RowMapping]]:
        async with self._engine.begin() as connection:
            job = await lock_job(
                connection,
                jobs.c.id == self._job_id, jobs.c.epoch == self._epoch, jobs.c.status == JobStatus.RUNNING.value,
            )  # fmt: skip
            if job is None:
                raise LeaseLostError("the job is not this dispatcher's any more", {"jobId": str(self._job_id)})
            yield connection, job

    async def _end(self, connection: AsyncConnection, status: JobStatus, reason: str, **values: object) -> None:
        # What still runs now can never commit: the job is over.
        await connection.execute(
            update(attempts)
            .where(attempts.c.job_id == self._job_id, attempts.c.status == "RUNNING")
            .values(status="LOST", finished_at=func.clock_timestamp())
        )
        await change_status(connection, self._job_id, status, reason, finished_at=func.clock_timestamp(), **values)

    async def _end_attempt(
        self, connection: AsyncConnection, key: TaskKey, attempt: int, status: str, error: FramemillError | None
    ) -> bool:
        ended = await connection.execute(
            update(attempts)
            .where(
                attempts.c.job_id == self._job_id, attempts.c.task_key == str(key),
                attempts.c.number == attempt, attempts.c.status == "RUNNING",
            )
            .values(status=status, finished_at=func.clock_timestamp(), **error_values(error))
        )  # fmt: skip
        return bool(ended.rowcount)

    async def _complete_package(self, connection: AsyncConnection, job: RowMapping) -> None:
        rows = await connection.execute(
            select(tasks.c.kind, tasks.c.track, tasks.c.index, tasks.c.result).where(
                tasks.c.job_id == self._job_id, tasks.c.result.is_not(None)
            )
        )
        results = {
            TaskKey(kind=kind, track=track, index=index): PartResult.model_validate(result)
            for kind, track, index, result in rows
        }
        renditions = measured_renditions(_package(job, results))
        made = [("rendition", view.id, view.model_dump(mode="json")) for view in renditions]
        made += [
            (image.role, image.name, image.model_dump(mode="json"))
            for result in results.values()
            for image in result.images
        ]
        common = {"owner_id": job["owner_id"], "video_id": job["video_id"], "package_id": job["package_id"]}
        if made:
            await connection.execute(
                upsert(derivatives).on_conflict_do_nothing(),
                [{"id": uuid.uuid4(), "kind": kind, "name": name, "data": data, **common} for kind, name, data in made],
            )
        await connection.execute(
            update(packages)
            .where(packages.c.id == job["package_id"])
            .values(status="READY", publication=job["publication"], ready_at=func.now())
        )
        if renditions:
            await connection.execute(
                update(jobs)
                .where(jobs.c.id == self._job_id)
                .values(renditions=[view.model_dump(mode="json") for view in renditions])
            )

    def _is(self, key: TaskKey) -> ColumnElement[bool]:
        return (tasks.c.job_id == self._job_id) & (tasks.c.key == str(key))


def _commit(row: RowMapping) -> Commit:
    return Commit(
        key=TaskKey(kind=row["kind"], track=row["track"], index=row["index"]),
        attempt=row["committed_attempt"],
        result=PartResult.model_validate(row["result"]),
    )


def _package(job: RowMapping, results: Mapping[TaskKey, PartResult]) -> Package | None:
    """The published streams, whole as the engine found them; None for a job without a plan."""
    if job["plan"] is None:
        return None
    package = package_of(Plan.model_validate(job["plan"]), results, final=False)
    return package.model_copy(update={"final": True})
