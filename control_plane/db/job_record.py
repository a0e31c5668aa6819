"""The writes that every change of a job is made of, on a connection whose transaction the caller owns.

The caller holds the lock on the job's row: the state, the video and the event of one change commit together
or not at all, and a job's events are numbered in the order in which their changes commit.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.documents import Publication
from control_plane.db.engine import storable
from control_plane.db.schema import job_history, jobs, outbox, packages, tasks, videos
from control_plane.domain.job import advance
from control_plane.service.views import JobStatus, VideoStatus
from transcoder.errors import FramemillError

__all__ = [
    "change_status",
    "change_video",
    "error_values",
    "lock_job",
    "package_ready",
    "record_event",
    "record_upload",
]

NO_ERROR: Final[dict[str, Any]] = {"error_code": None, "error_message": None, "error_details": None}


def error_values(error: FramemillError | None) -> dict[str, Any]:
    """The three columns of an error; all NULL for none."""
    if error is None:
        return NO_ERROR
    return {
        "error_code": error.code,
        "error_message": storable(error.message),
        "error_details": error.details,
    }


async def lock_job(connection: AsyncConnection, *conditions: ColumnElement[bool]) -> RowMapping | None:
    """The one job that fits, locked until the transaction ends; None where there is none.

    Weaker than FOR UPDATE by one thing: rows that refer to the job can still be read and locked by key.
    """
    found = await connection.execute(select(jobs).where(*conditions).with_for_update(key_share=True))
    return found.mappings().one_or_none()


async def change_status(connection: AsyncConnection, job_id: UUID, to: JobStatus, reason: str, **values: Any) -> None:
    """Move a locked job on. Errors: IllegalTransition; the table's trigger repeats the guard."""
    rows = await connection.execute(
        select(job_history.c.to_status).where(job_history.c.job_id == job_id).order_by(job_history.c.id)
    )
    advance([JobStatus(status) for status in rows.scalars()], to)
    await connection.execute(
        update(jobs).where(jobs.c.id == job_id).values(status=to.value, status_reason=storable(reason)[:500], **values)
    )


async def change_video(
    connection: AsyncConnection,
    video_id: UUID,
    decide: Callable[[VideoStatus], VideoStatus],
    error: FramemillError | None = None,
    **values: Any,
) -> tuple[VideoStatus, VideoStatus]:
    """Lock the video and write the state that `decide` makes of its state: (before, after).

    `error` is kept only where the video is FAILED afterwards; a video that is not has none.
    """
    row = await connection.execute(
        select(videos.c.status).where(videos.c.id == video_id).with_for_update(key_share=True)
    )
    before = VideoStatus(row.scalar_one())
    after = decide(before)
    if after is VideoStatus.FAILED:
        values |= error_values(error) if error is not None else {}
    else:
        values |= NO_ERROR
    await connection.execute(
        update(videos).where(videos.c.id == video_id).values(status=after.value, updated_at=func.now(), **values)
    )
    return before, after


async def package_ready(connection: AsyncConnection, video_id: UUID) -> bool:
    """Whether the video has a READY package."""
    found = await connection.execute(
        select(packages.c.id).where(packages.c.video_id == video_id, packages.c.status == "READY").limit(1)
    )
    return found.first() is not None


async def record_event(connection: AsyncConnection, job_id: UUID, event_type: str) -> int:
    """Append an event to a locked job's sequence, with a snapshot of its progress; its number, from 1."""
    numbered = await connection.execute(
        update(jobs)
        .where(jobs.c.id == job_id)
        .values(event_seq=jobs.c.event_seq + 1)
        .returning(
            jobs.c.event_seq, jobs.c.owner_id, jobs.c.video_id, jobs.c.type, jobs.c.status, jobs.c.publication,
            jobs.c.cancel_requested, jobs.c.error_code, jobs.c.error_message, jobs.c.error_details,
            jobs.c.started_at, jobs.c.finished_at,
        )
    )  # fmt: skip
    job = numbered.mappings().one()
    counted = await connection.execute(
        select(func.count(), func.count(tasks.c.committed_attempt)).where(tasks.c.job_id == job_id)
    )
    total, committed = counted.one()
    await connection.execute(
        insert(outbox).values(
            event_id=uuid.uuid4(), owner_id=job["owner_id"], type=event_type, video_id=job["video_id"],
            job_id=job_id, job_seq=job["event_seq"], data=_snapshot(job_id, job, total, committed),
        )
    )  # fmt: skip
    return int(job["event_seq"])


async def record_upload(connection: AsyncConnection, owner_id: UUID, video_id: UUID, data: dict[str, Any]) -> None:
    """Append `video.uploaded`, the one event that belongs to no job."""
    await connection.execute(
        insert(outbox).values(
            event_id=uuid.uuid4(), owner_id=owner_id, type="video.uploaded", video_id=video_id, data=data
        )
    )


def _snapshot(job_id: UUID, job: RowMapping, total: int, committed: int) -> dict[str, Any]:
    publication = Publication.model_validate(job["publication"])
    error = None
    if job["error_code"] is not None:
        error = {"code": job["error_code"], "message": job["error_message"], "details": job["error_details"] or {}}
    return {
        "jobId": str(job_id),
        "videoId": str(job["video_id"]),
        "jobType": job["type"],
        "status": job["status"],
        "publication": {
            "segments": publication.segments,
            "seconds": str(publication.seconds),
            "totalSeconds": str(publication.total_seconds),
            "final": publication.final,
            "availableFrom": publication.available_from.isoformat() if publication.available_from else None,
        },
        "tasksTotal": total,
        "tasksCommitted": committed,
        "cancelRequested": job["cancel_requested"],
        "error": error,
        "startedAt": job["started_at"].isoformat() if job["started_at"] else None,
        "finishedAt": job["finished_at"].isoformat() if job["finished_at"] else None,
    }
