"""The running part of a transcode job: the scheduler's hands.

Events go to the scheduler, one at a time; its instructions start and stop calls. Every call begins its attempts in
the ledger, checks each part that comes, commits it, and reports how it ended. Publishing goes on beside that.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import cast

from cluster import tasks
from cluster.documents import Commit, JobState, PackageEncryption, StoreSpec, TaskKey
from cluster.ports import JobLedger, Part, Runtime, TaskCall
from cluster.publisher import Publisher
from cluster.scheduler import (
    Committed,
    Complete,
    Ended,
    Event,
    Failed,
    GiveUp,
    Scheduler,
    Slots,
    Start,
    Stop,
)
from cluster.units import check_result, units_of
from transcoder.chunk import seek_points
from transcoder.errors import FramemillError, InternalError, LeaseLostError, TaskTimeoutError
from transcoder.media import VideoStream
from transcoder.plan import Plan
from transcoder.results import PartResult

__all__ = ["EngineSettings", "Stores", "TranscodeRun"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Times in seconds. A task that runs past `task_seconds` plus `task_factor` times its span is a failure."""

    cancel_poll_seconds: float = 1.0
    publish_pause_seconds: float = 0.25
    retry_pause_seconds: float = 1.0
    task_seconds: float = 120.0
    task_factor: float = 120.0


@dataclass(frozen=True, slots=True)
class Stores:
    """Where a job reads and writes: the source's store and key, the package's store."""

    source: tuple[StoreSpec, str]
    packages: StoreSpec


class TranscodeRun:
    """From the commits that are there to all of them. Made for one run; nothing runs on after `run` returned."""

    def __init__(
        self,
        ledger: JobLedger,
        runtime: Runtime,
        stores: Stores,
        publisher: Publisher,
        settings: EngineSettings,
        *,
        state: JobState,
        stream: VideoStream,
        plan: Plan,
        encryption: PackageEncryption | None,
        on_publish: Callable[[], None],
    ) -> None:
        self._ledger, self._runtime, self._stores, self._publisher = ledger, runtime, stores, publisher
        self._settings, self._state, self._stream, self._plan = settings, state, stream, plan
        self._encryption = encryption
        self._on_publish = on_publish
        self._scheduler = Scheduler(units_of(plan))
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._changed = asyncio.Event()
        self._calls: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Return when everything is committed and published. Errors: what ended it; LeaseLostError."""
        for commit in self._state.commits:
            self._events.put_nowait(Committed(commit.key))
        self._events.put_nowait(Slots(self._runtime.slots))
        self._changed.set()
        publishing = asyncio.create_task(self._publish())
        try:
            while True:
                event = asyncio.create_task(self._events.get())
                await asyncio.wait({event, publishing}, return_when=asyncio.FIRST_COMPLETED)
                if publishing.done():
                    event.cancel()
                    publishing.result()  # it only ever ends by an error
                if self._obey(await event):
                    break
        finally:
            await self._stop(publishing, *self._calls.values())
        await self._publisher.publish()

    def _obey(self, event: Event) -> bool:
        """Do what the scheduler says to an event. True when every task is committed."""
        if isinstance(event, Failed) and isinstance(event.error, LeaseLostError):
            raise event.error
        for instruction in self._scheduler.handle(event):
            match instruction:
                case Start() as start:
                    self._calls[start.unit.name] = asyncio.create_task(self._call(start))
                case Stop(unit):
                    self._calls[unit.name].cancel()
                case GiveUp(error):
                    raise error
                case Complete():
                    return True
        return False

    async def _publish(self) -> None:
        """Publish after commits, several at once where they come fast."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._publisher.publish()
            self._on_publish()
            await asyncio.sleep(self._settings.publish_pause_seconds)

    async def _call(self, start: Start) -> None:
        """One call of one unit: its attempts begun, its parts committed as they come, its end reported."""
        name = start.unit.name
        attempts: dict[TaskKey, int] = {}
        try:
            if start.attempt > 1:
                await asyncio.sleep(self._settings.retry_pause_seconds * (start.attempt - 1))
            committed = {commit.key: commit for commit in self._publisher.commits}
            for key in start.unit.keys:
                if key not in committed:
                    attempts[key] = await self._ledger.begin_attempt(key)
            call, seconds = self._task(start, attempts, committed)
            async with asyncio.timeout(seconds):
                async with aclosing(cast("AsyncGenerator[Part]", self._runtime.run(call))) as parts:
                    async for part in parts:
                        await self._commit(part, attempts.pop(part.key))
            self._events.put_nowait(Ended(name))
        except TimeoutError:
            await self._failed(name, attempts, TaskTimeoutError(f"{name} ran past its wall clock"))
        except FramemillError as error:
            await self._failed(name, attempts, error)
        except Exception as error:
            _log.exception("the call of %s failed unexpectedly", name)
            await self._failed(name, attempts, InternalError(f"{name} failed: {type(error).__name__}"))

    async def _commit(self, part: Part, attempt: int) -> None:
        assert isinstance(part.result, PartResult)
        check_result(self._plan, part.key, part.result, self._publisher.commits)
        if await self._ledger.commit(part.key, attempt, part.result):
            self._publisher.add(Commit(key=part.key, attempt=attempt, result=part.result))
            self._changed.set()
        self._events.put_nowait(Committed(part.key))

    async def _failed(self, name: str, attempts: dict[TaskKey, int], error: FramemillError) -> None:
        _log.warning("%s failed: %s: %s", name, error.code, error.message)
        try:
            if not isinstance(error, LeaseLostError):
                for key, attempt in attempts.items():
                    await self._ledger.fail_attempt(key, attempt, error)
        except FramemillError as lost:
            error = lost
        self._events.put_nowait(Failed(name, error))

    def _task(
        self, start: Start, attempts: dict[TaskKey, int], committed: dict[TaskKey, Commit]
    ) -> tuple[TaskCall, float]:
        """The call that does a unit's work, and how long it may take."""
        plan, stream, source, packages = self._plan, self._stream, self._stores.source, self._stores.packages
        key = start.unit.keys[0]
        name, span = f"{self._state.job_id}/{start.unit.name}", plan.duration
        if key.kind == "video":
            chunk = plan.chunks[key.index]
            span = chunk.end - chunk.start
            last = plan.ended and key.index == len(plan.chunks) - 1
            call = TaskCall(
                name, tasks.video_task,
                (source, packages, key, attempts[key], plan.video, chunk, seek_points(stream, plan.video, chunk),
                 self._state.request.lane, last, start.threads, self._encryption),
                cpus=start.threads,
            )  # fmt: skip
        elif key.kind == "audio":
            known = {
                k: (c.attempt, c.result) for k, c in committed.items() if k.kind == "audio" and k.track == key.track
            }
            track = plan.audio[key.track]
            call = TaskCall(
                name, tasks.audio_task,
                (source, packages, attempts, track, plan.chunks, stream.start, known, self._encryption),
            )  # fmt: skip
        else:
            call = TaskCall(name, tasks.image_task, (source, packages, key, attempts[key], stream))
        return call, self._settings.task_seconds + self._settings.task_factor * float(span)

    async def _stop(self, *running: asyncio.Task[None]) -> None:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
