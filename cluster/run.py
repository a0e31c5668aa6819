"""The running part of a transcode job: the scheduler's hands.

Events go to the scheduler, one at a time; its instructions start and stop calls. Every call begins its attempts in
the ledger, checks each part that comes, commits it, and reports how it ended. Publishing goes on beside that.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, cast

from cluster import tasks
from cluster.documents import Commit, JobState, PackageEncryption, StoreSpec, TaskKey
from cluster.ports import JobLedger, Part, Runtime, TaskCall
from cluster.publisher import Publisher
from cluster.scheduler import (
    MAX_ATTEMPTS,
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
from cluster.settings import EngineSettings
from cluster.units import check_result, units_of
from transcoder.chunk import lead_in, seek_points
from transcoder.errors import FramemillError, LeaseLostError
from transcoder.media import MediaInfo
from transcoder.plan import Plan
from transcoder.results import PartResult
from transcoder.thumbnails.poster import poster_times
from transcoder.thumbnails.stills import keyframes_at

__all__ = ["Stores", "TranscodeRun"]

_log = logging.getLogger(__name__)

_DECODING_SPEED = 30
"""So many times faster than encoding on all rungs is decoding alone: what a source with few keyframes costs more."""


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
        media: MediaInfo,
        plan: Plan,
        encryption: PackageEncryption | None,
        on_publish: Callable[[], None],
    ) -> None:
        self._ledger, self._runtime, self._stores, self._publisher = ledger, runtime, stores, publisher
        self._settings, self._state, self._media, self._plan = settings, state, media, plan
        self._encryption = encryption
        self._on_publish = on_publish
        self._scheduler = Scheduler(units_of(plan))
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._changed = asyncio.Event()
        self._calls: dict[str, asyncio.Task[None]] = {}
        self._broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Return when everything is committed and published.

        Errors: the FramemillError that ended it; LeaseLostError; whatever else a ledger or a store raised, such as a
        database that is away, which says nothing about the job.
        """
        for commit in self._state.commits:
            self._events.put_nowait(Committed(commit.key))
        self._events.put_nowait(Slots(self._runtime.slots, self._runtime.widest))
        self._changed.set()
        publishing = asyncio.create_task(self._publish())
        try:
            while not await self._next(publishing):
                pass
        finally:
            await self._stop(publishing, *self._calls.values())
            if not self._broken.cancel():
                self._broken.exception()  # looked at, where another error came first
        await self._publisher.publish()

    async def _next(self, publishing: asyncio.Task[None]) -> bool:
        """Wait for the next event and obey it. True when every task is committed."""
        event = asyncio.create_task(self._events.get())
        waiting: tuple[asyncio.Future[Any], ...] = (event, publishing, self._broken)
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for other in (publishing, self._broken):
                if other.done():
                    other.result()  # both only ever end by an error
            return self._obey(await event)
        finally:
            event.cancel()

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
        """Publish after commits, several at once where they come fast. A store that fails is asked again."""
        failures = 0
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._publisher.publish()
                failures = 0
            except FramemillError as error:
                failures += 1
                if not error.retryable or failures == MAX_ATTEMPTS:
                    raise
                _log.warning("publishing failed and is tried again: %s", error.message)
                self._changed.set()
                await asyncio.sleep(self._settings.retry_pause_seconds * failures)
                continue
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
            call = self._task(start, attempts, committed)
            async with aclosing(cast("AsyncGenerator[Part]", self._runtime.run(call))) as parts:
                async for part in parts:
                    await self._commit(part, attempts[part.key])
                    del attempts[part.key]  # what is left when an error comes has failed
            self._events.put_nowait(Ended(name))
        except FramemillError as error:
            await self._failed(name, attempts, error)
        except Exception as error:
            self._break(name, error)

    async def _commit(self, part: Part, attempt: int) -> None:
        assert isinstance(part.result, PartResult)
        check_result(self._plan, part.key, part.result, self._publisher.commits)
        if await self._ledger.commit(part.key, attempt, part.result):
            self._publisher.add(Commit(key=part.key, attempt=attempt, result=part.result))
            self._changed.set()
        self._events.put_nowait(Committed(part.key))

    async def _failed(self, name: str, attempts: dict[TaskKey, int], error: FramemillError) -> None:
        _log.warning("%s failed: %s: %s %s", name, error.code, error.message, error.details or "")
        try:
            if not isinstance(error, LeaseLostError):
                for key, attempt in attempts.items():
                    await self._ledger.fail_attempt(key, attempt, error)
        except FramemillError as lost:
            error = lost
        except Exception as broken:
            self._break(name, broken)
            return
        self._events.put_nowait(Failed(name, error))

    def _break(self, name: str, error: Exception) -> None:
        """End the run by an error that is nobody's of ours: whoever runs the job knows what it means."""
        _log.warning("the call of %s broke off: %s", name, type(error).__name__)
        if not self._broken.done():
            self._broken.set_exception(error)

    def _task(self, start: Start, attempts: dict[TaskKey, int], committed: dict[TaskKey, Commit]) -> TaskCall:
        """The call that does a unit's work."""
        plan, source, packages = self._plan, self._stores.source, self._stores.packages
        track, stream = plan.video, self._media.main_video
        key = start.unit.keys[0]
        name, span = f"{self._state.job_id}/{start.unit.name}", plan.duration
        if key.kind == "video":
            assert track is not None and stream is not None  # else the plan has no such task
            chunk = plan.chunks[key.index]
            seek = seek_points(stream, track, chunk)
            span = chunk.end - chunk.start + lead_in(track, chunk, seek) / _DECODING_SPEED
            call = TaskCall(
                name, tasks.video_task,
                (source, packages, key, attempts[key], track, chunk, seek, self._state.request.lane,
                 plan.following(chunk), start.threads, self._settings.limits, self._encryption),
                cpus=start.threads,
            )  # fmt: skip
        elif key.kind == "audio":
            known = {
                k: (c.attempt, c.result) for k, c in committed.items() if k.kind == "audio" and k.track == key.track
            }
            call = TaskCall(
                name, tasks.audio_task,
                (source, packages, attempts, plan.audio[key.track], plan.chunks, plan.origin, known,
                 self._settings.limits, self._encryption),
            )  # fmt: skip
        elif key.kind == "text":
            arguments = (
                source,
                packages,
                attempts,
                plan.text,
                plan.segments,
                plan.origin,
                plan.length,
                self._settings.limits,
            )
            call = TaskCall(name, tasks.text_task, arguments)
        else:
            call = TaskCall(name, *self._image(key, attempts[key]))
        return self._settings.bounded(call, span)

    def _image(self, key: TaskKey, attempt: int) -> tuple[Callable[..., Iterator[Part]], tuple[object, ...]]:
        """The function and the arguments of an image task."""
        plan, stream, thumbnails = self._plan, self._media.main_video, self._plan.thumbnails
        assert plan.video is not None and stream is not None and thumbnails is not None  # else there is no such task
        own = (self._stores.source, self._stores.packages, key, attempt, plan.video)
        rest = (plan.duration, self._settings.limits)
        if key.index == 0:
            keyframes = keyframes_at(stream.keyframes, plan.video, poster_times(plan.duration))
            return tasks.poster_task, (*own, thumbnails.poster, tuple(dict.fromkeys(keyframes)), *rest)
        assert thumbnails.sprites is not None
        keyframes = keyframes_at(stream.keyframes, plan.video, thumbnails.sprites.times())
        return tasks.sprites_task, (*own, thumbnails.sprites, tuple(dict.fromkeys(keyframes)), *rest)

    async def _stop(self, *running: asyncio.Task[None]) -> None:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
