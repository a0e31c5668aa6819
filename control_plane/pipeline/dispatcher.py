"""The dispatcher: leads one Ray cluster under a lease, claims its jobs, and runs them until they end.

Work is claimed from PostgreSQL only; an event merely wakes the loop. One dispatcher leads, others stand by.
Order at the start of a leadership: a higher epoch first, then all jobs of earlier epochs are fenced in one
statement, then they are resumed and new ones claimed. So nothing of a dead leader is written after the fence.

The lease is lost when the database says so, or when a whole lease has passed since the last renewal that
was asked for: then every job here is cancelled at once, and none is failed: they are the next leader's.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

import psycopg
import structlog
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine

from control_plane.db.claims import ClaimedJob, ClusterLease, JobClaims
from control_plane.db.job_ledger import PostgresJobLedger
from control_plane.events.wakeup import Wakeup
from control_plane.settings import Settings
from transcoder.errors import FramemillError, InternalError, LeaseLostError

__all__ = ["ClaimedJob", "Dispatcher", "RunJob"]

_log = structlog.get_logger(__name__)

RunJob = Callable[[ClaimedJob], Awaitable[None]]
"""Runs a claimed job to its end: afterwards it is no longer RUNNING in the ledger."""

DATABASE_ABSENT: Final = (OperationalError, InterfaceError, PoolTimeoutError, psycopg.OperationalError)
"""Errors that say nothing about the job: it stays RUNNING and is taken up again."""

STANDBY_SECONDS: Final = 1.0
"""How often a dispatcher that stands by asks for the lease."""

RETRY_SECONDS: Final = 1.0


class Dispatcher:
    """One candidate for the leadership of `settings.dispatcher_cluster`."""

    def __init__(self, engine: AsyncEngine, wakeup: Wakeup, run_job: RunJob, settings: Settings) -> None:
        self._engine = engine
        self._wakeup = wakeup
        self._run_job = run_job
        self._settings = settings
        self._lease = ClusterLease(engine, settings.dispatcher_cluster, uuid.uuid4(), settings.lease_seconds)
        self._claims = JobClaims(engine, self._lease, settings.dispatcher_cluster)
        self._running: dict[UUID, asyncio.Task[None]] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Lead whenever the lease is free, until `stop` is set; then cancel the jobs and release the lease."""
        while not stop.is_set():
            asked = time.monotonic()
            try:
                epoch = await self._lease.acquire()
            except SQLAlchemyError as error:
                _log.warning("dispatcher.database", cause=type(error).__name__)
                epoch = None
            if epoch is None:
                await _wait_for(stop, timeout=STANDBY_SECONDS)
            else:
                await self._lead(epoch, asked, stop)

    async def _lead(self, epoch: int, asked: float, stop: asyncio.Event) -> None:
        log = _log.bind(cluster=self._settings.dispatcher_cluster, epoch=epoch)
        log.info("dispatcher.leads")
        heartbeat = asyncio.create_task(self._heartbeat(epoch, asked))
        work = asyncio.create_task(self._work(epoch))
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({heartbeat, work, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # The jobs first: after the lease is free, nothing of this leadership may still run.
            await _cancel(work, stopped, *self._running.values())
            self._running.clear()
            await _cancel(heartbeat)
            try:
                await self._lease.release(epoch)
            except SQLAlchemyError as error:
                log.warning("dispatcher.release", cause=type(error).__name__)
            log.info("dispatcher.stops")
        failure = None if work.cancelled() else work.exception()
        if failure is not None:
            if not isinstance(failure, LeaseLostError):
                log.error("dispatcher.failed", exc_info=failure)
            await _wait_for(stop, timeout=RETRY_SECONDS)

    async def _heartbeat(self, epoch: int, asked: float) -> None:
        """Renew three times a lease; returns when the lease is lost."""
        lease = float(self._settings.lease_seconds)
        while (left := asked + lease - time.monotonic()) > 0:
            await asyncio.sleep(min(lease / 3, left))
            now = time.monotonic()
            try:
                async with asyncio.timeout(max(0.0, asked + lease - now)):
                    if not await self._lease.renew(epoch):
                        break
            except (SQLAlchemyError, TimeoutError, OSError) as error:
                _log.warning("dispatcher.heartbeat", cause=type(error).__name__)
            else:
                # The lease runs from when it was asked for, not from when the answer came.
                asked = now
        _log.warning("dispatcher.lease_lost", epoch=epoch)

    async def _work(self, epoch: int) -> None:
        taken = await self._retrying(lambda: self._claims.fence(epoch))
        if taken:
            _log.info("dispatcher.takes_over", jobs=taken, epoch=epoch)
        while True:
            ticket = self._wakeup.ticket()
            await self._retrying(lambda: self._fill(epoch))
            changed = asyncio.create_task(self._wakeup.wait(ticket))
            try:
                await asyncio.wait({changed, *self._running.values()}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                await _cancel(changed)
            self._running = {job_id: task for job_id, task in self._running.items() if not task.done()}

    async def _fill(self, epoch: int) -> int:
        """Start as many jobs as there is room for: those of dead leaders first, then new ones."""
        room = self._settings.max_running_jobs - len(self._running)
        jobs: list[ClaimedJob] = []
        if room > 0:
            jobs = await self._claims.resume(epoch, frozenset(self._running), room)
        if room > len(jobs):
            jobs += await self._claims.claim(epoch, room - len(jobs))
        for job in jobs:
            self._running[job.job_id] = asyncio.create_task(self._attend(job), name=f"job-{job.job_id}")
        return len(jobs)

    async def _retrying(self, action: Callable[[], Awaitable[int]]) -> int:
        while True:
            try:
                return await action()
            except DATABASE_ABSENT as error:
                _log.warning("dispatcher.database", cause=type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS)

    async def _attend(self, job: ClaimedJob) -> None:
        """Run one job, and see to it that it ends whatever its run does."""
        log = _log.bind(jobId=str(job.job_id), videoId=str(job.video_id), epoch=job.epoch)
        error: FramemillError | None = job.unusable
        try:
            if error is None:
                error = await self._outcome(job, log)
            if error is not None:
                await PostgresJobLedger(self._engine, job.job_id, job.epoch).fail(error)
                log.info("job.failed", code=error.code)
        except LeaseLostError:
            log.warning("job.lease_lost")
        except DATABASE_ABSENT as cause:
            log.warning("job.database", cause=type(cause).__name__)
            # The loop takes the job up again: not faster than this while the database is away.
            await asyncio.sleep(RETRY_SECONDS)
        except Exception:
            log.exception("job.unattended")
            await asyncio.sleep(RETRY_SECONDS)

    async def _outcome(self, job: ClaimedJob, log: structlog.stdlib.BoundLogger) -> FramemillError | None:
        """The error that must still be written for the job, or None where its run has written its end."""
        try:
            await self._run_job(job)
        except (LeaseLostError, *DATABASE_ABSENT):
            raise
        except FramemillError as error:
            return error if await self._claims.still_running(job) else None
        except Exception:
            error_id = uuid.uuid4().hex
            log.exception("job.crashed", errorId=error_id)
            return InternalError("the job failed for an internal reason", {"errorId": error_id})
        if await self._claims.still_running(job):
            error_id = uuid.uuid4().hex
            log.error("job.unended", errorId=error_id)
            return InternalError("the job stopped without an end", {"errorId": error_id})
        return None


async def _wait_for(event: asyncio.Event, *, timeout: float) -> None:
    waiting = asyncio.create_task(event.wait())
    await asyncio.wait({waiting}, timeout=timeout)
    await _cancel(waiting)


async def _cancel(*tasks: asyncio.Task[None] | asyncio.Task[bool]) -> None:
    """Cancel and wait until every task has really ended; their errors stay in them."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
