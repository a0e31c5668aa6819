"""The engine: drives one job over its ledger, its stores and a runtime, from the source to the final package.

It keeps nothing that the ledger does not have, so it can die anywhere and another one goes on. The decisions are
the scheduler's (pure), the order of what players see is the publisher's.

Order of writes of a task: attempt begun in the ledger -> segments stored under the attempt's names -> result
checked -> commit by compare-and-set -> promoted and published. Of a job: content keys safe (KeyIssuer) -> plan with
the wrapped keys in the ledger -> tasks; all committed -> verified -> final
manifests -> report -> success in the ledger -> attempt folders removed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from fractions import Fraction
from typing import cast

from cluster import tasks
from cluster.documents import JobState, PackageEncryption, StoreSpec, TaskKey
from cluster.ports import JobLedger, KeyIssuer, Part, Runtime, TaskCall
from cluster.publisher import Publisher
from cluster.report import job_report
from cluster.run import Stores, TranscodeRun
from cluster.scheduler import MAX_ATTEMPTS
from cluster.settings import EngineSettings
from cluster.stores import open_store
from transcoder.errors import (
    CanceledError,
    FramemillError,
    InternalError,
    LeaseLostError,
    ResourceMissingError,
)
from transcoder.media import MediaInfo
from transcoder.packaging.package import Package
from transcoder.plan import Plan, plan_title
from transcoder.verification import VerifyReport

__all__ = ["Engine", "EngineSettings", "Progress"]

_log = logging.getLogger(__name__)


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
        keys: KeyIssuer | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self._ledger, self._runtime = ledger, runtime
        self._stores = Stores(source, packages)
        self._settings = settings or EngineSettings()
        self._keys = keys
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
        written then). Any other error, and whatever cancels the coroutine, leaves the job as it is, to be gone on with.
        """
        async with self._ending_the_job():
            started = time.monotonic()
            async with self._watching_for_cancel():
                state = await self._ledger.load()
                media = state.media or await self._analyze()
                plan = state.plan or await self._plan(state, media)
                store = open_store(self._stores.packages)
                publisher = Publisher(store, self._ledger, plan, state)
                await TranscodeRun(
                    self._ledger, self._runtime, self._stores, publisher, self._settings, state=state, media=media,
                    plan=plan, encryption=self._encryption(plan),
                    on_publish=lambda: self._tell("encoding", plan, publisher),
                ).run()  # fmt: skip
                self._tell("verifying", plan, publisher)
                package = await publisher.complete()
                verified = await self._verify(media, plan, package)
                await publisher.finish(package)
                report = job_report(media, plan, package, publisher.commits, verified, time.monotonic() - started)
                text = json.dumps(report, indent=2, ensure_ascii=False).encode()
                await asyncio.to_thread(store.replace, "report.json", text)
            await self._ledger.succeed(report)
            self._tell("done", plan, publisher)
            with contextlib.suppress(FramemillError):  # only garbage: what stays there is named by nothing
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
            while not await self._asked_to_cancel():  # noqa: ASYNC110 - the request is in the database
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
            await asyncio.wait({watcher})  # raises nothing of the watcher's, and swallows no cancellation of ours

    async def _asked_to_cancel(self) -> bool:
        try:
            return await self._ledger.cancel_requested()
        except Exception as error:
            # Only a question: the ledger's next write says whether the job can go on. Ask again.
            _log.warning("it is not known whether the job is to be canceled: %s", type(error).__name__)
            return False

    async def _analyze(self) -> MediaInfo:
        key = TaskKey(kind="analyze")
        call = TaskCall("analyze", tasks.analyze_task, (self._stores.source, key, self._settings.limits))
        media = await self._one(self._settings.bounded(call, None))
        assert isinstance(media, MediaInfo)
        await self._ledger.save_media(media)
        return media

    async def _plan(self, state: JobState, media: MediaInfo) -> Plan:
        plan = plan_title(media, state.request.ladder, slots=self._runtime.slots)
        if state.request.drm != "none":
            encryption = await asyncio.to_thread(self._issuer().issue, plan, state.request.drm_scheme)
            plan = plan.model_copy(update={"encryption": encryption})
        await self._ledger.save_plan(plan)
        return plan

    def _encryption(self, plan: Plan) -> PackageEncryption | None:
        if plan.encryption is None:
            return None
        return PackageEncryption(encryption=plan.encryption, kek=self._issuer().kek)

    def _issuer(self) -> KeyIssuer:
        """Errors: ResourceMissingError where nobody issues keys here: the job fails before anything is encoded."""
        if self._keys is None:
            raise ResourceMissingError("encryption is asked for, and no content keys can be had here")
        return self._keys

    async def _verify(self, media: MediaInfo, plan: Plan, package: Package) -> VerifyReport:
        arguments = (self._stores.packages, TaskKey(kind="verify"), media, plan, package)
        call = TaskCall("verify", tasks.verify_task, arguments)
        report = await self._one(self._settings.bounded(call, plan.duration))
        assert isinstance(report, VerifyReport)
        report.require_ok()
        return report

    async def _one(self, call: TaskCall) -> object:
        """The single result of a call that only reads: run again where that may help."""
        attempt = 1
        while True:
            try:
                async with aclosing(cast("AsyncGenerator[Part]", self._runtime.run(call))) as parts:
                    # To the end: a call that is left before has its process killed.
                    results = [part.result async for part in parts]
                if not results:
                    raise InternalError(f"{call.name} returned nothing")
                return results[0]
            except FramemillError as error:
                if not error.retryable or attempt == MAX_ATTEMPTS:
                    raise
            await asyncio.sleep(self._settings.retry_pause_seconds * attempt)
            attempt += 1

    def _tell(self, stage: str, plan: Plan, publisher: Publisher) -> None:
        kind = "video" if plan.video else "audio"
        tracks = max(1, len(plan.audio)) if kind == "audio" else 1
        counts = Counter(c.key.index for c in publisher.commits if c.key.kind == kind)
        done = [index for index, count in counts.items() if count == tracks]
        spans = {chunk.index: chunk.end - chunk.start for chunk in plan.chunks}
        seconds = sum((spans[index] for index in done), Fraction(0))
        self._on_progress(
            Progress(
                stage, float(seconds), float(plan.duration), float(publisher.published.seconds),
                len(done), len(plan.chunks),
            )
        )  # fmt: skip
