"""Both doors in this process, over the real PostgreSQL and Valkey, on free loopback ports; no dispatcher.

Jobs stay where a test puts them: `Doors.claim` plays the dispatcher's part where a test needs a running one.
"""

from __future__ import annotations

import asyncio
import tempfile
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import structlog
from fastapi import FastAPI

from cluster.ports import ObjectStore
from cluster.stores import open_store
from control_plane.bootstrap import Platform, open_platform
from control_plane.db.claims import ClaimedJob, ClusterLease, JobClaims
from control_plane.db.job_ledger import PostgresJobLedger
from control_plane.events.relay import OutboxRelay
from control_plane.rest.app import create_app
from control_plane.rest.server import HttpServer
from control_plane.rpc.server import GrpcServer
from control_plane.settings import Settings

__all__ = ["MAX_UPLOAD_BYTES", "Doors", "error_of", "open_doors", "small_clip"]

MAX_UPLOAD_BYTES = 2 * 1024 * 1024


@dataclass(frozen=True)
class Doors:
    """Running servers and the ways into them."""

    platform: Platform
    app: FastAPI
    store: ObjectStore
    http_url: str
    grpc_address: str
    api_key: str
    client: httpx.AsyncClient
    lease: ClusterLease
    epoch: int

    @property
    def uploads(self) -> list[str]:
        """Names of the temporary files of uploads."""
        return [path.name for path in (self.platform.settings.data_dir / "uploads").iterdir()]

    async def upload(self, title: str = "clip") -> dict[str, Any]:
        """A small real clip: the answer of the upload."""
        answer = await self.client.post("/v1/videos", files={"file": ("clip.mp4", small_clip())}, data={"title": title})
        assert answer.status_code == 201, answer.text
        document: dict[str, Any] = answer.json()
        return document

    async def transcode(self, video_id: str, **body: Any) -> dict[str, Any]:
        """A transcode job of the video."""
        answer = await self.client.post(f"/v1/videos/{video_id}/transcodes", json=body)
        assert answer.status_code == 202, answer.text
        document: dict[str, Any] = answer.json()
        return document

    async def claim(self, job_id: str) -> tuple[ClaimedJob, PostgresJobLedger]:
        """Make a queued job RUNNING, as the dispatcher does; every other claimable job is claimed as well."""
        engine = self.platform.engine
        for job in await JobClaims(engine, self.lease, "doors").claim(self.epoch, 1000):
            if str(job.job_id) == job_id:
                return job, PostgresJobLedger(engine, job.job_id, job.epoch)
        raise AssertionError(f"job {job_id} cannot be claimed")

    async def analyzed(self, job_id: str) -> None:
        """End an analyze job, so that transcodes of its video can be claimed."""
        _, ledger = await self.claim(job_id)
        await ledger.succeed({})


@asynccontextmanager
async def open_doors() -> AsyncIterator[Doors]:
    """Start everything below a folder of its own; stop and remove it at the end."""
    # A short path: unix sockets lie below it.
    with tempfile.TemporaryDirectory(prefix="fm-", dir="/tmp") as folder:
        settings = Settings(
            data_dir=Path(folder, "data"), http_address="127.0.0.1:0", grpc_address="127.0.0.1:0",
            max_upload_bytes=MAX_UPLOAD_BYTES,
        )  # fmt: skip
        stop = asyncio.Event()
        async with _logging_to(Path(folder, "log")), open_platform(settings, "serve") as platform:
            store = open_store(platform.store_spec)
            app = create_app(platform.services, store, settings, stopping=stop)
            http, grpc = HttpServer(app, settings.http_address), GrpcServer(platform.services)
            grpc_address = await grpc.start(settings.grpc_address)
            relay = OutboxRelay(platform.engine, platform.redis)
            running = [asyncio.create_task(part) for part in (http.serve(), relay.run(stop), platform.wakeup.run(stop))]
            key = platform.fresh_key
            assert key is not None
            lease = ClusterLease(platform.engine, "doors", uuid.uuid4(), 3600)
            epoch = await lease.acquire()
            assert epoch is not None
            url = f"http://{http.address}"
            async with httpx.AsyncClient(
                base_url=url, headers={"Authorization": f"Bearer {key}"}, trust_env=False, timeout=30
            ) as client:
                try:
                    yield Doors(platform, app, store, url, grpc_address, key, client, lease, epoch)
                finally:
                    stop.set()
                    http.stop()
                    await grpc.stop()
                    await asyncio.gather(*running)


def error_of(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of an error, which must have our form."""
    body = answer.json()
    assert set(body) <= {"code", "message", "details"}
    assert body["message"]
    return answer.status_code, body["code"]


@asynccontextmanager
async def _logging_to(path: Path) -> AsyncIterator[None]:
    """The servers' log in a file: stdout belongs to the commands under test."""
    with path.open("a") as file:
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(file))
        try:
            yield
        finally:
            structlog.reset_defaults()


_CLIP: list[bytes] = []


def small_clip() -> bytes:
    """A second of real video as MP4, made once."""
    if not _CLIP:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "clip.mp4")
            with av.open(str(path), "w") as output:
                stream = output.add_stream("libx264", rate=25)
                stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
                for index in range(25):
                    picture = np.full((48, 64, 3), index * 10, np.uint8)
                    output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
                output.mux(stream.encode(None))
            _CLIP.append(path.read_bytes())
    return _CLIP[0]
