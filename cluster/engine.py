"""The engine: drives one job over its ledger, its stores and a runtime, from the source to the final package.

It keeps nothing that the ledger does not have, so it can die anywhere and another one goes on. The decisions are
the scheduler's (pure), the order of what players see is the publisher's.

Order of writes of a task: attempt begun in the ledger -> segments stored under the attempt's names -> result
checked -> commit by compare-and-set -> promoted and published. Of a job: all committed -> verified -> final
manifests -> report -> success in the ledger -> attempt folders removed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from fractions import Fraction
from typing import cast

from cluster import tasks
from cluster.documents import Commit, JobState, StoreSpec, TaskKey
from cluster.ports import JobLedger, Part, Runtime, TaskCall
from cluster.publisher import Publisher
from cluster.report import job_report
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
from cluster.stores import open_store
from cluster.units import check_result, units_of
from transcoder.chunk import seek_points
from transcoder.errors import (
    CanceledError,
    FramemillError,
    InternalError,
    LeaseLostError,
    TaskTimeoutError,
)
from transcoder.media import MediaInfo
from transcoder.plan import Plan, plan_title
from transcoder.results import PartResult
from transcoder.verify import VerifyReport

__all__ = ["Engine", "EngineSettings", "Progress"]

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
class Progress:
    """What has been done of a job, for people. Seconds of the title."""

    stage: str
    done_seconds: float
    total_seconds: float
    playable_seconds: float
    chunks_done: int
    chunks: int


class Engine:
    """One job, from wherever its ledger says it is to its end."""

    def __init__(
        self,
        ledger: JobLedger,
        runtime: Runtime,
        *,
        source: tuple[StoreSpec, str],
        packages: StoreSpec,
        settings: EngineSettings | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self._ledger, self._runtime = ledger, runtime
        self._source, self._packages = source, packages
        self._settings = settings or EngineSettings()
        self._on_progress = on_progress or (lambda _: None)

    async def analyze(self) -> None:
        """Run an analysis job: probe the source, store what was found, end the job. Raises as `transcode` does."""
        async with self._ending_the_job():
            async with self._watching_for_cancel():
                state = await self._ledger.load()
                if state.media is None:
                    await self._analyze()
            await self._ledger.succeed({})

    async def transcode(self) -> dict[str, object]:
        """Run a transcode job to its end; the report of the finished package.

        Errors: the FramemillError that ended the job, after the ledger has it; LeaseLostError (nothing more is
        written then); whatever cancels the coroutine leaves the job as it is, to be gone on with.
        """
        async with self._ending_the_job():
            started = time.monotonic()
            async with self._watching_for_cancel():
                state = await self._ledger.load()
                media = state.media or await self._analyze()
                plan = state.plan or await self._plan(state, media)
                store = open_store(self._packages)
                publisher = Publisher(store, self._ledger, plan, state)
                await _Transcode(self, state, media, plan, publisher).run()
                self._tell("verifying", plan, publisher)
                verified = await self._verify(plan)
                package = await publisher.finish()
                report = job_report(media, plan, package, publisher.commits, verified, time.monotonic() - started)
                text = json.dumps(report, indent=2, ensure_ascii=False).encode()
                await asyncio.to_thread(store.replace, "report.json", text)
            await self._ledger.succeed(report)
            self._tell("done", plan, publisher)
            with contextlib.suppress(FramemillError):  # garbage only: a later sweep finds it as well
                await asyncio.to_thread(store.delete_prefix, "attempts")
            return report

    @contextlib.asynccontextmanager
    async def _ending_the_job(self) -> AsyncGenerator[None]:
        """An error of ours ends the job in the ledger; a lost lease and a cancelled coroutine do not."""
        try:
            yield
        except LeaseLostError:
            raise
        except FramemillError as error:
            await self._ledger.fail(error)
            raise

    @contextlib.asynccontextmanager
    async def _watching_for_cancel(self) -> AsyncGenerator[None]:
        """Run the block until it ends or somebody asks for the job to be canceled: then CanceledError."""
        block = asyncio.current_task()
        assert block is not None
        requested = False

        async def watch() -> None:
            nonlocal requested
            while not await self._ledger.cancel_requested():  # noqa: ASYNC110 - the request is in the database
                await asyncio.sleep(self._settings.cancel_poll_seconds)
            requested = True
            block.cancel()

        watcher = asyncio.create_task(watch())
        try:
            yield
        except asyncio.CancelledError:
            if requested and block.uncancel() == 0:
                raise CanceledError("the job was canceled") from None
            raise
        finally:
            watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError, FramemillError):
                await watcher

    async def _analyze(self) -> MediaInfo:
        key = TaskKey(kind="analyze")
        media = await self._one(TaskCall("analyze", tasks.analyze_task, (self._source, key)))
        assert isinstance(media, MediaInfo)
        await self._ledger.save_media(media)
        return media

    async def _plan(self, state: JobState, media: MediaInfo) -> Plan:
        plan = plan_title(media, state.request.ladder, slots=self._runtime.slots)
        await self._ledger.save_plan(plan)
        return plan

    async def _verify(self, plan: Plan) -> VerifyReport:
        key = TaskKey(kind="verify")
        report = await self._one(TaskCall("verify", tasks.verify_task, (self._packages, key, plan)))
        assert isinstance(report, VerifyReport)
        report.require_ok()
        return report

    async def _one(self, call: TaskCall) -> object:
        """The single result of a call that only reads: run again where that may help."""
        for attempt in range(1, 4):
            try:
                async with aclosing(cast("AsyncGenerator[Part]", self._runtime.run(call))) as parts:
                    async for part in parts:
                        return part.result
            except FramemillError as error:
                if not error.retryable or attempt == 3:
                    raise
                await asyncio.sleep(self._settings.retry_pause_seconds * attempt)
        raise InternalError(f"{call.name} returned nothing")

    def _tell(self, stage: str, plan: Plan, publisher: Publisher) -> None:
        done = [c.key.index for c in publisher.commits if c.key.kind == "video"]
        spans = {chunk.index: chunk.end - chunk.start for chunk in plan.chunks}
        seconds = sum((spans[index] for index in done), Fraction(0))
        self._on_progress(
            Progress(
                stage, float(seconds), float(plan.duration), float(publisher.package(final=False).seconds),
                len(done), len(plan.chunks),
            )
        )  # fmt: skip


class _Transcode:
    """The running part of a transcode job: the scheduler's hands."""

    def __init__(self, engine: Engine, state: JobState, media: MediaInfo, plan: Plan, publisher: Publisher) -> None:
        self._engine, self._state, self._media, self._plan = engine, state, media, plan
        self._publisher = publisher
        self._ledger, self._settings = engine._ledger, engine._settings
        self._scheduler = Scheduler(units_of(plan))
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._changed = asyncio.Event()
        self._calls: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Everything committed and published, or the error that ended it. Nothing runs on afterwards."""
        for commit in self._state.commits:
            self._events.put_nowait(Committed(commit.key))
        self._events.put_nowait(Slots(self._engine._runtime.slots))
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
            self._engine._tell("encoding", self._plan, self._publisher)
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
                async with aclosing(cast("AsyncGenerator[Part]", self._engine._runtime.run(call))) as parts:
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
        plan, source, packages = self._plan, self._engine._source, self._engine._packages
        stream = self._media.main_video
        assert stream is not None
        key = start.unit.keys[0]
        name, span = f"{self._state.job_id}/{start.unit.name}", plan.duration
        if key.kind == "video":
            chunk = plan.chunks[key.index]
            span = chunk.end - chunk.start
            last = plan.ended and key.index == len(plan.chunks) - 1
            call = TaskCall(
                name, tasks.video_task,
                (source, packages, key, attempts[key], plan.video, chunk, seek_points(stream, plan.video, chunk),
                 self._state.request.lane, last, start.threads),
                cpus=start.threads,
            )  # fmt: skip
        elif key.kind == "audio":
            known = {k: c.result for k, c in committed.items() if k.kind == "audio" and k.track == key.track}
            track = plan.audio[key.track]
            call = TaskCall(
                name, tasks.audio_task, (source, packages, attempts, track, plan.chunks, stream.start, known)
            )
        else:
            call = TaskCall(name, tasks.image_task, (source, packages, key, attempts[key], stream))
        return call, self._settings.task_seconds + self._settings.task_factor * float(span)

    async def _stop(self, *running: asyncio.Task[None]) -> None:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
