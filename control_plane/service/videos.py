"""Videos: what an owner has uploaded."""

from __future__ import annotations

import uuid
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from cluster.documents import JobRequest, Publication
from control_plane.db.engine import storable
from control_plane.db.job_record import record_event, record_upload
from control_plane.db.rows import job_view, select_jobs, video_view
from control_plane.db.schema import jobs, videos
from control_plane.service.paging import cut_page, select_page
from control_plane.service.views import (
    JobStatus,
    JobType,
    JobView,
    Page,
    Principal,
    UploadedSource,
    VideoStatus,
    VideoView,
)
from transcoder.errors import AlreadyExistsError, InvalidInputError, NotFoundError

__all__ = ["VideoService"]

MAX_TITLE = 500


class VideoService:
    """Every query is bound to the owner who asks: another owner's video is not there."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def create(
        self, principal: Principal, *, video_id: UUID, title: str, source: UploadedSource
    ) -> tuple[VideoView, JobView]:
        """Record an uploaded video and its ANALYZE job, with their events, in one transaction.

        The caller has stored the bytes before: a row never points at a source that is not there.
        Errors: InvalidInputError; AlreadyExistsError where the id is taken.
        """
        name = str(storable(title)).strip() or str(storable(source.name))
        if len(name) > MAX_TITLE:
            reason = f"at most {MAX_TITLE} characters"
            raise InvalidInputError(f"title: {reason}", {"fields": {"title": reason}})
        owner_id, job_id = principal.owner_id, uuid.uuid4()
        try:
            async with self._engine.begin() as connection:
                await connection.execute(
                    insert(videos).values(
                        id=video_id, owner_id=owner_id, title=name, status=VideoStatus.UPLOADED.value,
                        source_key=source.key, source_name=storable(source.name), size_bytes=source.size_bytes,
                        sha256=source.sha256, content_type=source.content_type,
                    )
                )  # fmt: skip
                await record_upload(
                    connection, owner_id, video_id,
                    {"videoId": str(video_id), "title": name, "sizeBytes": source.size_bytes, "sha256": source.sha256},
                )  # fmt: skip
                await connection.execute(
                    insert(jobs).values(
                        id=job_id, owner_id=owner_id, video_id=video_id, type=JobType.ANALYZE.value,
                        status=JobStatus.QUEUED.value, status_reason="uploaded",
                        request=JobRequest().model_dump(mode="json"), priority=0, labels={},
                        publication=Publication(segments=0).model_dump(mode="json"),
                    )
                )  # fmt: skip
                await record_event(connection, job_id, "job.queued")
                video = (await connection.execute(select(videos).where(videos.c.id == video_id))).mappings().one()
                job = (await connection.execute(select_jobs().where(jobs.c.id == job_id))).mappings().one()
                return video_view(video), job_view(job)
        except IntegrityError as error:
            if getattr(error.orig, "sqlstate", None) != "23505":
                raise
            raise AlreadyExistsError("there is a video with this id") from error

    async def get(self, principal: Principal, video_id: UUID) -> VideoView:
        """One video. Errors: NotFoundError."""
        query = select(videos).where(videos.c.id == video_id, videos.c.owner_id == principal.owner_id)
        async with self._engine.connect() as connection:
            row = (await connection.execute(query)).mappings().one_or_none()
        if row is None:
            raise NotFoundError("there is no such video")
        return video_view(row)

    async def list(self, principal: Principal, *, page_size: int = 50, page_token: str = "") -> Page:
        """The owner's videos, newest first. Errors: InvalidInputError."""
        query = select(videos).where(videos.c.owner_id == principal.owner_id)
        async with self._engine.connect() as connection:
            found = await connection.execute(select_page(query, videos, page_size, page_token))
            rows, token = cut_page(found.mappings().all(), page_size)
        return Page(items=tuple(video_view(row) for row in rows), next_token=token)
