"""Jobs: what is done with a video, asked for once however often the caller says it."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, func, insert, literal, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cluster.documents import JobRequest, Publication
from control_plane.db.job_record import change_status, change_video, lock_job, record_event
from control_plane.db.rows import job_event, job_view, select_jobs
from control_plane.db.schema import jobs, outbox, packages, tasks, videos
from control_plane.domain.job import LIVE, TERMINAL_EVENTS
from control_plane.events.wakeup import Wakeup
from control_plane.service.paging import cut_page, select_page
from control_plane.service.requests import check_labels, check_priority, check_request_id
from control_plane.service.views import (
    JobEvent,
    JobStatus,
    JobType,
    JobView,
    Page,
    Principal,
    VideoStatus,
)
from transcoder.errors import ConflictError, InvalidInputError, NotFoundError, UnsupportedMediaError

__all__ = ["JobService"]

_LIVE = [status.value for status in LIVE]
_EVENT_BATCH = 200
_REQUEST_ID_KEY = "jobs_owner_id_request_id_key"


class JobService:
    """Every query is bound to the owner who asks: another owner's job is not there."""

    def __init__(self, engine: AsyncEngine, wakeup: Wakeup) -> None:
        self._engine = engine
        self._wakeup = wakeup

    async def create_transcode(
        self,
        principal: Principal,
        video_id: UUID,
        *,
        request: JobRequest,
        priority: int = 0,
        labels: Mapping[str, str] | None = None,
        request_id: str | None = None,
    ) -> tuple[JobView, bool]:
        """The job that does what is asked for, and whether this call created it.

        The video's row is locked first, so that of two calls at once the second sees the first one's job.
        The same request while such a job lives is that job; the same request id with the same body is the
        same job even after it has ended.

        Errors: NotFoundError; ConflictError with `jobId` for another request while one lives, or another body
        under a known request id; UnsupportedMediaError again for a video that is no use; InvalidInputError.
        """
        body: dict[str, Any] = {
            "request": request.model_dump(mode="json"),
            "priority": check_priority(priority),
            "labels": check_labels(labels or {}),
        }
        request_id = check_request_id(request_id)
        try:
            async with self._engine.begin() as connection:
                return await self._create(connection, principal, video_id, body, request_id)
        except IntegrityError as error:
            diagnostic = getattr(error.orig, "diag", None)
            if getattr(diagnostic, "constraint_name", None) != _REQUEST_ID_KEY:
                raise
            # The id was used for another video at this very moment.
            raise ConflictError("this requestId belongs to another request") from error

    async def _create(
        self,
        connection: AsyncConnection,
        principal: Principal,
        video_id: UUID,
        body: dict[str, Any],
        request_id: str | None,
    ) -> tuple[JobView, bool]:
        owner_id = principal.owner_id
        video = await connection.execute(
            select(videos).where(videos.c.id == video_id, videos.c.owner_id == owner_id)
            .with_for_update(key_share=True)
        )  # fmt: skip
        row = video.mappings().one_or_none()
        if row is None:
            raise NotFoundError("there is no such video")
        if request_id is not None:
            known = await _one(connection, jobs.c.owner_id == owner_id, jobs.c.request_id == request_id)
            if known is not None:
                if known["video_id"] != video_id or any(known[name] != value for name, value in body.items()):
                    raise ConflictError("this requestId belongs to another request", {"jobId": str(known["id"])})
                return job_view(known), False
        live = await _one(connection, *_live(video_id, JobType.TRANSCODE))
        if live is not None:
            if live["request"] != body["request"]:
                raise ConflictError("the video has another transcode job", {"jobId": str(live["id"])})
            return job_view(live), False
        if row["status"] == VideoStatus.FAILED and row["error_code"] == UnsupportedMediaError.code:
            raise UnsupportedMediaError(row["error_message"], row["error_details"])
        if row["status"] in {VideoStatus.UPLOADING, VideoStatus.REJECTED, VideoStatus.DELETING}:
            raise ConflictError(f"a video that is {row['status']} cannot be transcoded")
        package_id, job_id = uuid.uuid4(), uuid.uuid4()
        nothing = Publication(segments=0).model_dump(mode="json")
        await connection.execute(
            insert(packages).values(
                id=package_id, owner_id=owner_id, video_id=video_id, status="PENDING", publication=nothing,
                prefix=f"packages/{video_id}/{package_id}",
            )
        )  # fmt: skip
        await connection.execute(
            insert(jobs).values(
                id=job_id, owner_id=owner_id, video_id=video_id, type=JobType.TRANSCODE.value,
                status=JobStatus.QUEUED.value, status_reason="requested", request_id=request_id,
                package_id=package_id, publication=nothing, **body,
            )
        )  # fmt: skip
        await record_event(connection, job_id, "job.queued")
        return await _view(connection, job_id), True

    async def get(self, principal: Principal, job_id: UUID) -> JobView:
        """One job. Errors: NotFoundError."""
        async with self._engine.connect() as connection:
            row = await _one(connection, jobs.c.id == job_id, jobs.c.owner_id == principal.owner_id)
        if row is None:
            raise NotFoundError("there is no such job")
        return job_view(row)

    async def list(
        self, principal: Principal, *, video_id: UUID | None = None, page_size: int = 50, page_token: str = ""
    ) -> Page:
        """The owner's jobs, newest first, of one video where it is given. Errors: InvalidInputError."""
        query = select_jobs().where(jobs.c.owner_id == principal.owner_id)
        if video_id is not None:
            query = query.where(jobs.c.video_id == video_id)
        async with self._engine.connect() as connection:
            found = await connection.execute(select_page(query, jobs, page_size, page_token))
            rows, token = cut_page(found.mappings().all(), page_size)
        return Page(items=tuple(job_view(row) for row in rows), next_token=token)

    async def cancel(self, principal: Principal, job_id: UUID) -> JobView:
        """End a QUEUED job at once; ask a RUNNING one to end. A job that is CANCELED stays as it is.

        Errors: NotFoundError; ConflictError for a job that has ended otherwise.
        """
        async with self._engine.begin() as connection:
            job = await _lock_owned(connection, principal, job_id)
            status = JobStatus(job["status"])
            if status is JobStatus.QUEUED:
                await connection.execute(
                    update(packages)
                    .where(packages.c.id == job["package_id"], packages.c.status != "READY")
                    .values(status="FAILED")
                )
                await change_status(
                    connection, job_id, JobStatus.CANCELED, "canceled by request",
                    cancel_requested=True, finished_at=func.clock_timestamp(),
                )  # fmt: skip
                await record_event(connection, job_id, "job.canceled")
            elif status is JobStatus.RUNNING and not job["cancel_requested"]:
                await connection.execute(update(jobs).where(jobs.c.id == job_id).values(cancel_requested=True))
                await record_event(connection, job_id, "job.progress")
            elif status in {JobStatus.SUCCEEDED, JobStatus.FAILED}:
                raise ConflictError(f"the job has ended: {status.value}", {"status": status.value})
            return await _view(connection, job_id)

    async def retry(self, principal: Principal, job_id: UUID) -> JobView:
        """A new job that goes on where a FAILED or CANCELED one stopped.

        It takes over the package, the plan and the committed tasks, and counts attempts on, so that no name in
        the store is ever used twice. Asked for again while that job lives, it is the same job.

        Errors: NotFoundError; ConflictError for any other state, for a job that a later one has continued, and
        while another job of the video and type lives.
        """
        async with self._engine.begin() as connection:
            old = await _lock_owned(connection, principal, job_id)
            if JobStatus(old["status"]) not in {JobStatus.FAILED, JobStatus.CANCELED}:
                raise ConflictError(
                    f"only a FAILED or CANCELED job can be retried, this one is {old['status']}",
                    {"status": old["status"]},
                )
            # Serialises with create_transcode, which locks the video as well.
            await change_video(connection, old["video_id"], lambda status: status)
            live = await _one(connection, *_live(old["video_id"], JobType(old["type"])))
            if live is not None:
                if live["retry_of"] == job_id:
                    return job_view(live)
                raise ConflictError("the video has another job of this type", {"jobId": str(live["id"])})
            later = await _one(connection, jobs.c.retry_of == job_id)
            if later is not None:
                raise ConflictError("this job was retried: retry the newer one", {"jobId": str(later["id"])})
            new_id = await _continue(connection, old)
            await change_video(connection, old["video_id"], _usable_again)
            await record_event(connection, new_id, "job.queued")
            return await _view(connection, new_id)

    async def events(self, principal: Principal, job_id: UUID, *, after: int = 0) -> AsyncIterator[JobEvent]:
        """The events of a job from the cursor on, then as they come; ends after the terminal one.

        The numbers count from 1 without a gap, so `after` is the last one the caller has seen.
        Errors: NotFoundError; InvalidInputError for a negative cursor.
        """
        if after < 0:
            raise InvalidInputError("after: must not be negative", {"fields": {"after": "must not be negative"}})
        seq = after
        while True:
            ticket = self._wakeup.ticket()
            job = await self.get(principal, job_id)
            async with self._engine.connect() as connection:
                found = await connection.execute(
                    select(outbox)
                    .where(outbox.c.job_id == job_id, outbox.c.job_seq > seq)
                    .order_by(outbox.c.job_seq)
                    .limit(_EVENT_BATCH)
                )
                rows = found.mappings().all()
            for row in rows:
                seq = row["job_seq"]
                if row["type"] in TERMINAL_EVENTS:
                    # The job may have ended after it was read: its report and renditions came with the end.
                    yield job_event(row, await self.get(principal, job_id))
                    return
                yield job_event(row, job)
            if not rows:
                if job.status not in LIVE:
                    return
                await self._wakeup.wait(ticket)


def _live(video_id: UUID, job_type: JobType) -> tuple[ColumnElement[bool], ...]:
    return jobs.c.video_id == video_id, jobs.c.type == job_type.value, jobs.c.status.in_(_LIVE)


async def _one(connection: AsyncConnection, *conditions: ColumnElement[bool]) -> RowMapping | None:
    found = await connection.execute(select_jobs().where(*conditions).limit(1))
    row: RowMapping | None = found.mappings().one_or_none()
    return row


async def _view(connection: AsyncConnection, job_id: UUID) -> JobView:
    return job_view((await connection.execute(select_jobs().where(jobs.c.id == job_id))).mappings().one())


async def _lock_owned(connection: AsyncConnection, principal: Principal, job_id: UUID) -> RowMapping:
    job = await lock_job(connection, jobs.c.id == job_id, jobs.c.owner_id == principal.owner_id)
    if job is None:
        raise NotFoundError("there is no such job")
    return job


def _usable_again(status: VideoStatus) -> VideoStatus:
    return VideoStatus.UPLOADED if status is VideoStatus.FAILED else status


async def _continue(connection: AsyncConnection, old: RowMapping) -> UUID:
    """Insert the job that continues `old`, with the tasks and attempt numbers of it; its id."""
    new_id = uuid.uuid4()
    published = Publication.model_validate(old["publication"])
    kept = ("owner_id", "video_id", "type", "request", "priority", "labels", "package_id", "plan", "renditions")
    await connection.execute(
        insert(jobs).values(
            id=new_id, status=JobStatus.QUEUED.value, status_reason="retry", retry_of=old["id"],
            # What was published can still be played; that it was final is what the retry has to reach.
            publication=published.model_copy(update={"final": False}).model_dump(mode="json"),
            **{name: old[name] for name in kept},
        )
    )  # fmt: skip
    copied = ("key", "owner_id", "kind", "track", "index", "attempts", "committed_attempt", "result", "committed_at")
    await connection.execute(
        insert(tasks).from_select(
            ["job_id", *copied],
            select(literal(new_id).label("job_id"), *(tasks.c[name] for name in copied)).where(
                tasks.c.job_id == old["id"]
            ),
        )
    )
    await connection.execute(
        update(packages)
        .where(packages.c.id == old["package_id"])
        .values(status="PLAYABLE" if published.segments else "PENDING")
    )
    return new_id
