"""The dispatcher's hold on a cluster and on its jobs, on the database's clock.

Lease: one row per cluster. Each new leadership has a higher epoch, and every claim checks the lease in its own
transaction, so that a leader which slept through its lease claims nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, Select, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cluster.documents import JobRequest, Publication
from control_plane.db.job_record import change_status, change_video, record_event
from control_plane.db.schema import BOOTSTRAP_USER_ID, attempts, dispatchers, jobs, packages, videos
from control_plane.domain.video import after_publication, after_start
from control_plane.service.views import JobStatus, JobType, VideoStatus
from transcoder.errors import FramemillError, LeaseLostError, UnsupportedMediaError

__all__ = ["ClaimedJob", "ClusterLease", "JobClaims"]


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """A job that runs under `epoch` from now on. `unusable` is set where the source is known to be no use."""

    job_id: UUID
    type: JobType
    video_id: UUID
    owner_id: UUID
    epoch: int
    source_key: str
    package_prefix: str | None
    request: JobRequest
    unusable: FramemillError | None = None


class ClusterLease:
    """The lease of one dispatcher (`holder`) on one cluster; a lease lasts `seconds`."""

    def __init__(self, engine: AsyncEngine, cluster: str, holder: UUID, seconds: int) -> None:
        self._engine = engine
        self._cluster = cluster
        self._holder = holder
        self._span = timedelta(seconds=seconds)

    async def acquire(self) -> int | None:
        """The epoch of a new leadership, or None while another dispatcher leads."""
        until = func.clock_timestamp() + self._span
        statement = upsert(dispatchers).values(
            cluster=self._cluster, owner_id=BOOTSTRAP_USER_ID, holder=self._holder, epoch=1, expires_at=until
        )
        async with self._engine.begin() as connection:
            row = await connection.execute(
                statement.on_conflict_do_update(
                    index_elements=[dispatchers.c.cluster],
                    set_={"holder": self._holder, "epoch": dispatchers.c.epoch + 1, "expires_at": until},
                    where=dispatchers.c.expires_at <= func.clock_timestamp(),
                ).returning(dispatchers.c.epoch)
            )
            number: int | None = row.scalar_one_or_none()
            return number

    async def renew(self, epoch: int) -> bool:
        """Lengthen the lease; False when it is lost."""
        async with self._engine.begin() as connection:
            renewed = await connection.execute(
                update(dispatchers).where(self._held(epoch)).values(expires_at=func.clock_timestamp() + self._span)
            )
            return bool(renewed.rowcount)

    async def release(self, epoch: int) -> None:
        """Let the lease expire now, so that the next dispatcher starts at once."""
        async with self._engine.begin() as connection:
            await connection.execute(
                update(dispatchers).where(self._held(epoch)).values(expires_at=func.clock_timestamp())
            )

    async def assert_held(self, connection: AsyncConnection, epoch: int) -> None:
        """Hold the lease's row for the rest of the transaction. Errors: LeaseLostError."""
        row = await connection.execute(select(dispatchers.c.epoch).where(self._held(epoch)).with_for_update(read=True))
        if row.first() is None:
            raise LeaseLostError("another dispatcher leads this cluster")

    def _held(self, epoch: int) -> ColumnElement[bool]:
        return (
            (dispatchers.c.cluster == self._cluster)
            & (dispatchers.c.holder == self._holder)
            & (dispatchers.c.epoch == epoch)
            & (dispatchers.c.expires_at > func.clock_timestamp())
        )


class JobClaims:
    """The jobs of one cluster, claimed under a lease."""

    def __init__(self, engine: AsyncEngine, lease: ClusterLease, cluster: str) -> None:
        self._engine = engine
        self._lease = lease
        self._cluster = cluster

    async def fence(self, epoch: int) -> int:
        """Take over all jobs of earlier leaderships at once: from here on none of those can write.

        Returns how many there are. Their running attempts are LOST. Errors: LeaseLostError.
        """
        async with self._engine.begin() as connection:
            await self._lease.assert_held(connection, epoch)
            taken = await connection.execute(
                update(jobs)
                .where(jobs.c.status == JobStatus.RUNNING.value, jobs.c.cluster == self._cluster, jobs.c.epoch < epoch)
                .values(epoch=epoch)
                .returning(jobs.c.id)
            )
            ids = list(taken.scalars())
            await _lose_attempts(connection, ids)
            return len(ids)

    async def resume(self, epoch: int, running: frozenset[UUID], limit: int) -> list[ClaimedJob]:
        """Jobs that are RUNNING under this epoch and that nobody in this process works on.

        They come from a dead leader, or from a run here that lost the database for a moment.
        Errors: LeaseLostError.
        """
        async with self._engine.begin() as connection:
            await self._lease.assert_held(connection, epoch)
            query = _claimable().where(
                jobs.c.status == JobStatus.RUNNING.value, jobs.c.cluster == self._cluster,
                jobs.c.epoch == epoch, jobs.c.id.not_in(running),
            )  # fmt: skip
            rows = (await connection.execute(query.limit(limit))).mappings().all()
            await _lose_attempts(connection, [row["id"] for row in rows])
            return [_claimed(row, epoch) for row in rows]

    async def claim(self, epoch: int, limit: int) -> list[ClaimedJob]:
        """QUEUED jobs that become RUNNING, the highest priority and then the oldest first.

        A TRANSCODE job waits while the ANALYZE job of its video lives. Errors: LeaseLostError.
        """
        analysis = jobs.alias("analysis")
        analyzed = ~exists().where(
            analysis.c.video_id == jobs.c.video_id,
            analysis.c.type == JobType.ANALYZE.value,
            analysis.c.status.in_([JobStatus.QUEUED.value, JobStatus.RUNNING.value]),
        )
        async with self._engine.begin() as connection:
            await self._lease.assert_held(connection, epoch)
            query = (
                _claimable()
                .where(jobs.c.status == JobStatus.QUEUED.value, (jobs.c.type != JobType.TRANSCODE.value) | analyzed)
                .limit(limit)
                .with_for_update(of=jobs, skip_locked=True, key_share=True)
            )
            rows = (await connection.execute(query)).mappings().all()
            for row in rows:
                await change_status(
                    connection, row["id"], JobStatus.RUNNING, f"claimed by {self._cluster}", epoch=epoch,
                    cluster=self._cluster, started_at=func.clock_timestamp(),
                )  # fmt: skip
                was = now = VideoStatus.UPLOADED
                if _unusable(row) is None:
                    segments = Publication.model_validate(row["publication"]).segments
                    decide = partial(_started, job_type=JobType(row["type"]), segments=segments)
                    was, now = await change_video(connection, row["video_id"], decide)
                await record_event(connection, row["id"], "job.started")
                if was is not now and now is VideoStatus.PLAYABLE:
                    await record_event(connection, row["id"], "video.playable")
            return [_claimed(row, epoch) for row in rows]

    async def still_running(self, job: ClaimedJob) -> bool:
        """Whether the job is RUNNING under the epoch it was claimed with."""
        async with self._engine.connect() as connection:
            found = await connection.execute(
                select(jobs.c.id).where(
                    jobs.c.id == job.job_id, jobs.c.epoch == job.epoch, jobs.c.status == JobStatus.RUNNING.value
                )
            )
            return found.first() is not None


def _claimable() -> Select[tuple[object, ...]]:
    return (
        select(
            jobs.c.id, jobs.c.type, jobs.c.video_id, jobs.c.owner_id, jobs.c.request, jobs.c.publication,
            packages.c.prefix, videos.c.source_key, videos.c.error_code, videos.c.error_message, videos.c.error_details,
        )
        .join(videos, videos.c.id == jobs.c.video_id)
        .outerjoin(packages, packages.c.id == jobs.c.package_id)
        .order_by(jobs.c.priority.desc(), jobs.c.created_at, jobs.c.id)
    )  # fmt: skip


def _started(status: VideoStatus, job_type: JobType, segments: int) -> VideoStatus:
    # A retry goes on with what the job before it has published.
    return after_publication(after_start(status, job_type), segments)


def _unusable(row: RowMapping) -> FramemillError | None:
    # The analysis may have failed while this job was waiting for it: no need to read the source again.
    if row["type"] != JobType.TRANSCODE.value or row["error_code"] != UnsupportedMediaError.code:
        return None
    return UnsupportedMediaError(row["error_message"], row["error_details"])


def _claimed(row: RowMapping, epoch: int) -> ClaimedJob:
    return ClaimedJob(
        job_id=row["id"], type=JobType(row["type"]), video_id=row["video_id"], owner_id=row["owner_id"],
        epoch=epoch, source_key=row["source_key"], package_prefix=row["prefix"],
        request=JobRequest.model_validate(row["request"]), unusable=_unusable(row),
    )  # fmt: skip


async def _lose_attempts(connection: AsyncConnection, job_ids: list[UUID]) -> None:
    await connection.execute(
        update(attempts)
        .where(attempts.c.job_id.in_(job_ids), attempts.c.status == "RUNNING")
        .values(status="LOST", finished_at=func.clock_timestamp())
    )
