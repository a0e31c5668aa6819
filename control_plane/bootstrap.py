"""The composition root: builds every part of a role once and runs them in one event loop.

Order of a start: services (embedded or given), migrations, the key, the HTTP address, Ray, the gRPC address, the
parts; only then the addresses are announced. Order of a stop: the doors take no new calls and let open ones end while
the dispatcher leaves its jobs to the next one and releases its lease; then the connections close, and the embedded
services end last.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import structlog
from fastapi import FastAPI
from redis.asyncio import Redis
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from cluster.documents import StoreSpec
from cluster.engine import Engine
from cluster.ports import Runtime
from cluster.runtime.ray_runtime import RayRuntime
from cluster.stores import open_store
from control_plane import secret_file
from control_plane.db.claims import ClaimedJob
from control_plane.db.engine import create_engine, migrate
from control_plane.db.job_ledger import PostgresJobLedger
from control_plane.embedded import EmbeddedServices
from control_plane.events.relay import OutboxRelay
from control_plane.events.wakeup import Wakeup
from control_plane.pipeline.dispatcher import Dispatcher
from control_plane.rest.app import create_app
from control_plane.rest.server import HttpServer
from control_plane.rpc.server import GrpcServer
from control_plane.service.access import AccessService
from control_plane.service.catalog import Services
from control_plane.service.health import HealthService
from control_plane.service.jobs import JobService
from control_plane.service.playback import PlaybackService
from control_plane.service.videos import VideoService
from control_plane.service.views import JobType
from control_plane.settings import Settings
from transcoder.errors import ResourceMissingError

__all__ = ["API_KEY_FILE", "Platform", "Role", "Running", "job_runner", "open_platform", "run_role"]

Role = Literal["serve", "api", "grpc", "worker"]

API_KEY_FILE = "api-key"
"""Where the first API key lies, in the data directory."""

PLAYBACK_KEY_FILE = "playback-key"
"""Where the secret that signs playback URLs lies; every API process of an installation has the same."""

_log = structlog.get_logger("framemill.bootstrap")


@dataclass(frozen=True, slots=True)
class Platform:
    """What every role stands on. `fresh_key` is the API key if this start created it."""

    settings: Settings
    engine: AsyncEngine
    redis: Redis
    wakeup: Wakeup
    services: Services
    store_spec: StoreSpec
    fresh_key: str | None

    @property
    def api_key_file(self) -> Path:
        """Where the API key lies."""
        return self.settings.data_dir.absolute() / API_KEY_FILE


@dataclass(frozen=True, slots=True)
class Running:
    """A role that has started: its real addresses, `host:port`, where it has any."""

    platform: Platform
    http_address: str | None
    grpc_address: str | None


@asynccontextmanager
async def open_platform(settings: Settings, role: Role) -> AsyncIterator[Platform]:
    """The database, the event store and the services, until the context ends.

    `serve` starts embedded services for what is not configured; every other role needs both configured.
    Errors: ResourceMissingError, ConflictError (another process has the data directory).
    """
    async with AsyncExitStack() as stack:
        dsn, redis_url = settings.database_dsn, settings.redis_url
        if not (dsn and redis_url):
            if role != "serve":
                raise ResourceMissingError(
                    f"`framemill {role}` needs FRAMEMILL_DATABASE_DSN and FRAMEMILL_REDIS_URL; "
                    "`framemill serve` brings its own"
                )
            embedded = await stack.enter_async_context(EmbeddedServices(settings.data_dir))
            dsn, redis_url = dsn or embedded.database_dsn, redis_url or embedded.redis_url
        engine = create_engine(dsn)
        stack.push_async_callback(engine.dispose)
        redis = Redis.from_url(redis_url)
        stack.push_async_callback(redis.aclose)
        try:
            await migrate(engine)
        except OperationalError as error:
            raise ResourceMissingError("the database does not answer; see FRAMEMILL_DATABASE_DSN") from error
        # The data directory may have to let PostgreSQL's user pass, so the folder of sources is closed itself.
        for folder in (settings.data_dir, settings.object_root):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        wakeup = Wakeup(redis)
        services = _services(settings, engine, redis, wakeup, role)
        fresh_key = await services.access.ensure_bootstrap_key(settings.data_dir / API_KEY_FILE)
        spec = StoreSpec(root=str(settings.object_root.absolute()))
        yield Platform(settings, engine, redis, wakeup, services, spec, fresh_key)


def _services(settings: Settings, engine: AsyncEngine, redis: Redis, wakeup: Wakeup, role: Role) -> Services:
    key = secret_file.read_or_create(settings.data_dir / PLAYBACK_KEY_FILE, secrets.token_hex(32))
    return Services(
        access=AccessService(engine),
        videos=VideoService(engine),
        jobs=JobService(engine, wakeup),
        playback=PlaybackService(engine, bytes.fromhex(key), settings.playback_ttl_seconds),
        health=HealthService(engine, redis, role=role),
    )


def job_runner(platform: Platform, runtime: Runtime) -> Callable[[ClaimedJob], Awaitable[None]]:
    """What the dispatcher calls for each job it has claimed: the engine over the job's ledger and stores."""

    async def run_job(job: ClaimedJob) -> None:
        spec = platform.store_spec
        prefix = f"{job.package_prefix.rstrip('/')}/" if job.package_prefix else ""
        engine = Engine(
            PostgresJobLedger(platform.engine, job.job_id, job.epoch),
            runtime,
            source=(spec, job.source_key),
            packages=StoreSpec(kind=spec.kind, root=spec.root, prefix=prefix),
            settings=platform.settings.engine,
        )
        if job.type is JobType.ANALYZE:
            await engine.analyze()
        else:
            await engine.transcode()

    return run_job


async def run_role(settings: Settings, role: Role, announce: Callable[[Running], None]) -> None:
    """Run a role until SIGINT or SIGTERM; `announce` is called once, when it is ready.

    Errors: those of `open_platform`; ResourceMissingError for an address that cannot be bound or Ray.
    """
    stop = asyncio.Event()
    _stop_on_signals(stop)
    async with AsyncExitStack() as stack:
        platform = await stack.enter_async_context(open_platform(settings, role))
        parts: list[Callable[[], Awaitable[None]]] = [lambda: platform.wakeup.run(stop)]
        http = HttpServer(_app(platform, stop), settings.http_address) if role in {"serve", "api"} else None
        if http is not None:
            parts.append(lambda: _serve_http(http, stop))
        if role in {"serve", "worker"}:
            # Before gRPC has threads, because Ray forks. It also puts a handler of its own on SIGTERM.
            runtime = await asyncio.to_thread(RayRuntime, address=settings.ray_address)
            _stop_on_signals(stop)
            stack.push_async_callback(asyncio.to_thread, runtime.close)
            dispatcher = Dispatcher(platform.engine, platform.wakeup, job_runner(platform, runtime), settings)
            relay = OutboxRelay(platform.engine, platform.redis)
            parts += [lambda: dispatcher.run(stop), lambda: relay.run(stop)]
        grpc_address = None
        if role in {"serve", "grpc"}:
            server = GrpcServer(platform.services)
            grpc_address = await server.start(settings.grpc_address)
            parts.append(lambda: _serve_grpc(server, stop))
        http_address = None if http is None else http.address
        await _run_all(parts, stop, lambda: announce(Running(platform, http_address, grpc_address)))


def _stop_on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)


def _app(platform: Platform, stop: asyncio.Event) -> FastAPI:
    return create_app(platform.services, open_store(platform.store_spec), platform.settings, stopping=stop)


async def _serve_http(server: HttpServer, stop: asyncio.Event) -> None:
    serving = asyncio.create_task(server.serve())
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    server.stop()
    await serving


async def _serve_grpc(server: GrpcServer, stop: asyncio.Event) -> None:
    try:
        await stop.wait()
    finally:
        await server.stop()


async def _run_all(
    parts: list[Callable[[], Awaitable[None]]], stop: asyncio.Event, started: Callable[[], None]
) -> None:
    """Run the parts until they end by `stop`; the first that fails stops the others, and its error is raised."""

    async def run(part: Callable[[], Awaitable[None]]) -> None:
        try:
            await part()
        finally:
            stop.set()

    tasks = [asyncio.ensure_future(run(part)) for part in parts]
    started()
    try:
        await stop.wait()
    finally:
        stop.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            _log.error("a part failed", exc_info=result)
            raise result
