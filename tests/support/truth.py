"""A real PostgreSQL and Valkey for tests, a fresh migrated database for each, and jobs in any state."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import uuid
from pathlib import Path

import psycopg
from sqlalchemy.ext.asyncio import AsyncEngine

from cluster.documents import JobRequest
from control_plane.db import create_engine, migrate
from control_plane.db.claims import ClaimedJob, ClusterLease, JobClaims
from control_plane.db.job_ledger import PostgresJobLedger
from control_plane.db.schema import BOOTSTRAP_USER_ID
from control_plane.embedded import EmbeddedServices
from control_plane.events import Wakeup
from control_plane.service.jobs import JobService
from control_plane.service.videos import VideoService
from control_plane.service.views import JobView, Principal, UploadedSource, VideoView

__all__ = ["PRINCIPAL", "Leader", "Servers", "transcode_job", "uploaded_video"]

PRINCIPAL = Principal(owner_id=BOOTSTRAP_USER_ID, name="bootstrap")


class Servers:
    """Both servers in a folder of their own, with a short path: the path of a socket is limited."""

    def __init__(self) -> None:
        self.data_dir = Path(tempfile.mkdtemp(prefix="fm-", dir="/tmp"))
        self._services = EmbeddedServices(self.data_dir)

    @property
    def redis_url(self) -> str:
        return self._services.redis_url

    def start(self) -> None:
        self._services.start()
        asyncio.run(self._migrate())

    def stop(self) -> None:
        self._services.stop()
        shutil.rmtree(self.data_dir)

    def fresh_database(self) -> str:
        """A new migrated database; its SQLAlchemy URL."""
        name = f"t{uuid.uuid4().hex}"
        admin = self._services.database_dsn.replace("+psycopg", "").replace("/framemill?", "/postgres?")
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE framemill".encode())
        return self._services.database_dsn.replace("/framemill?", f"/{name}?")

    async def _migrate(self) -> None:
        engine = create_engine(self._services.database_dsn)
        await migrate(engine)
        await engine.dispose()


class Leader:
    """A dispatcher's lease and claims without its loop: claims what is queued when told to."""

    def __init__(self, engine: AsyncEngine, cluster: str = "default") -> None:
        self._engine = engine
        self._cluster = cluster
        self.lease = ClusterLease(engine, cluster, uuid.uuid4(), seconds=600)
        self.claims = JobClaims(engine, self.lease, cluster)
        self.epoch = 0

    async def lead(self) -> Leader:
        epoch = await self.lease.acquire()
        assert epoch is not None
        self.epoch = epoch
        return self

    async def claim(self) -> list[ClaimedJob]:
        return await self.claims.claim(self.epoch, 10)

    async def ledger(self, job: JobView) -> PostgresJobLedger:
        """Claim whatever is queued; the ledger of `job`, which must be among it."""
        claimed = {one.job_id for one in await self.claim()}
        assert job.id in claimed
        return PostgresJobLedger(self._engine, job.id, self.epoch)

    async def replaced(self) -> Leader:
        """The next leader, after this one is gone: its epoch is higher, and it has taken all jobs over."""
        await self.lease.release(self.epoch)
        successor = await Leader(self._engine, self._cluster).lead()
        await successor.claims.fence(successor.epoch)
        return successor


async def uploaded_video(engine: AsyncEngine, principal: Principal = PRINCIPAL) -> tuple[VideoView, JobView]:
    """A video whose ANALYZE job is QUEUED."""
    source = UploadedSource(
        key=f"sources/{uuid.uuid4()}", name="clip.mp4", size_bytes=1000, sha256="0" * 64, content_type="video/mp4"
    )
    return await VideoService(engine).create(principal, video_id=uuid.uuid4(), title="Clip", source=source)


async def transcode_job(engine: AsyncEngine, leader: Leader, wakeup: Wakeup) -> tuple[JobView, PostgresJobLedger]:
    """A RUNNING TRANSCODE job of a new, analyzed video, and its ledger."""
    video, analysis = await uploaded_video(engine)
    await (await leader.ledger(analysis)).succeed({})
    job, created = await JobService(engine, wakeup).create_transcode(PRINCIPAL, video.id, request=JobRequest())
    assert created
    return job, await leader.ledger(job)
