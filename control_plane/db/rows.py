"""Rows to views, in one place."""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction
from typing import Any

from sqlalchemy import RowMapping, Select, func, select

from cluster.documents import JobRequest, Publication
from control_plane.db.schema import jobs, tasks
from control_plane.service.views import (
    ErrorView,
    JobEvent,
    JobStatus,
    JobType,
    JobView,
    RenditionView,
    VideoStatus,
    VideoView,
)
from transcoder.media import MediaInfo

__all__ = ["job_event", "job_view", "select_jobs", "video_view"]


def _error(row: RowMapping) -> ErrorView | None:
    if row["error_code"] is None:
        return None
    return ErrorView(code=row["error_code"], message=row["error_message"], details=row["error_details"] or {})


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def video_view(row: RowMapping) -> VideoView:
    """A row of `videos`."""
    return VideoView(
        id=row["id"], owner_id=row["owner_id"], title=row["title"], status=VideoStatus(row["status"]),
        source_name=row["source_name"], size_bytes=row["size_bytes"], sha256=row["sha256"],
        media=MediaInfo.model_validate(row["media"]) if row["media"] is not None else None,
        package_id=row["current_package_id"], error=_error(row),
        created_at=row["created_at"], updated_at=row["updated_at"],
    )  # fmt: skip


def select_jobs() -> Select[Any]:
    """What `job_view` reads: the row of `jobs` with its tasks counted. The plan, which is large, stays behind."""
    own_tasks = select(func.count()).where(tasks.c.job_id == jobs.c.id).correlate(jobs)
    return select(
        *(column for column in jobs.c if column.name != "plan"),
        own_tasks.scalar_subquery().label("tasks_total"),
        own_tasks.where(tasks.c.committed_attempt.is_not(None)).scalar_subquery().label("tasks_committed"),
    )


def job_view(row: RowMapping) -> JobView:
    """A row of `select_jobs`."""
    return JobView(
        id=row["id"], owner_id=row["owner_id"], video_id=row["video_id"], type=JobType(row["type"]),
        status=JobStatus(row["status"]), request=JobRequest.model_validate(row["request"]),
        priority=row["priority"], labels=row["labels"], cancel_requested=row["cancel_requested"],
        retry_of=row["retry_of"], package_id=row["package_id"],
        publication=Publication.model_validate(row["publication"]),
        tasks_total=row["tasks_total"], tasks_committed=row["tasks_committed"],
        renditions=tuple(RenditionView.model_validate(rendition) for rendition in row["renditions"]),
        error=_error(row), report=row["report"], cursor=row["event_seq"],
        created_at=row["created_at"], started_at=row["started_at"], finished_at=row["finished_at"],
    )  # fmt: skip


def job_event(row: RowMapping, job: JobView) -> JobEvent:
    """A row of `outbox` as the job looked then: its snapshot laid over what never changes."""
    data: dict[str, Any] = row["data"]
    publication = data["publication"]
    then = job.model_copy(
        update={
            "status": JobStatus(data["status"]),
            "publication": Publication(
                segments=publication["segments"], seconds=Fraction(publication["seconds"]),
                total_seconds=Fraction(publication["totalSeconds"]), final=publication["final"],
                available_from=_time(publication["availableFrom"]),
            ),
            "tasks_total": data["tasksTotal"],
            "tasks_committed": data["tasksCommitted"],
            "cancel_requested": data["cancelRequested"],
            "error": ErrorView.model_validate(data["error"]) if data["error"] else None,
            "report": job.report if data["finishedAt"] else None,
            "started_at": _time(data["startedAt"]),
            "finished_at": _time(data["finishedAt"]),
            "cursor": row["job_seq"],
        }
    )  # fmt: skip
    return JobEvent(seq=row["job_seq"], type=row["type"], at=row["created_at"], job=then)
