"""The services on the real database: idempotency, ownership, retries, events, pages, keys."""

from __future__ import annotations

import asyncio
import stat
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest
from redis.asyncio import Redis
from sqlalchemy import insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine
from support.plans import part_result, plan_of
from support.truth import PRINCIPAL, Leader, transcode_job, uploaded_video

from cluster.documents import JobRequest, Publication, TaskKey
from control_plane.db.schema import api_keys, users
from control_plane.events import OutboxRelay, Wakeup
from control_plane.service.access import AccessService
from control_plane.service.errors import UnauthorizedError
from control_plane.service.jobs import JobService
from control_plane.service.playback import PlaybackService
from control_plane.service.videos import VideoService
from control_plane.service.views import JobEvent, JobStatus, Principal, UploadedSource, VideoStatus
from transcoder.errors import (
    AlreadyExistsError,
    ConflictError,
    InvalidInputError,
    NotFoundError,
    StorageError,
    UnsupportedMediaError,
)
from transcoder.ladder import BUILT_IN

REQUEST = JobRequest()
OTHER = JobRequest(ladder=BUILT_IN["h264"].model_copy(update={"segment_seconds": 2}))
PLAN = plan_of(12)
KEYS = [TaskKey(kind="video", index=n) for n in range(3)]


async def stranger(engine: AsyncEngine) -> Principal:
    user = uuid.uuid4()
    async with engine.begin() as connection:
        await connection.execute(insert(users).values(id=user, owner_id=user, name="stranger"))
    return Principal(owner_id=user, name="stranger")


class TestCreate:
    async def test_many_calls_at_once_create_one_job(self, engine: AsyncEngine, jobs: JobService) -> None:
        video, _ = await uploaded_video(engine)
        answers = await asyncio.gather(
            *(jobs.create_transcode(PRINCIPAL, video.id, request=REQUEST) for _ in range(20))
        )
        assert len({job.id for job, _ in answers}) == 1
        assert [created for _, created in answers].count(True) == 1

    async def test_many_calls_with_one_request_id(self, engine: AsyncEngine, jobs: JobService) -> None:
        videos = [(await uploaded_video(engine))[0] for _ in range(4)]
        answers = await asyncio.gather(
            *(jobs.create_transcode(PRINCIPAL, v.id, request=REQUEST, request_id="r-1") for v in videos),
            return_exceptions=True,
        )
        # Four videos are four different bodies: one gets the id, the others are told so.
        assert sum(isinstance(answer, ConflictError) for answer in answers) == 3

    async def test_another_request_conflicts_with_the_live_job(self, engine: AsyncEngine, jobs: JobService) -> None:
        video, _ = await uploaded_video(engine)
        job, _ = await jobs.create_transcode(PRINCIPAL, video.id, request=REQUEST)
        with pytest.raises(ConflictError) as caught:
            await jobs.create_transcode(PRINCIPAL, video.id, request=OTHER)
        assert caught.value.details == {"jobId": str(job.id)}

    async def test_a_request_id_outlives_its_job(self, engine: AsyncEngine, jobs: JobService, leader: Leader) -> None:
        video, analysis = await uploaded_video(engine)
        await (await leader.ledger(analysis)).succeed({})
        body = {"request": REQUEST, "priority": 3, "labels": {"a": "b"}, "request_id": "r-1"}
        job, created = await jobs.create_transcode(PRINCIPAL, video.id, **body)  # type: ignore[arg-type]
        assert created
        assert (job.priority, job.labels) == (3, {"a": "b"})
        await (await leader.ledger(job)).fail(StorageError("gone"))
        again, created = await jobs.create_transcode(PRINCIPAL, video.id, **body)  # type: ignore[arg-type]
        assert (again.id, created) == (job.id, False)
        with pytest.raises(ConflictError):
            await jobs.create_transcode(PRINCIPAL, video.id, **{**body, "priority": 4})  # type: ignore[arg-type]
        fresh, created = await jobs.create_transcode(PRINCIPAL, video.id, request=REQUEST)
        assert created
        assert fresh.package_id != job.package_id

    async def test_an_unusable_video_says_so_again(self, engine: AsyncEngine, jobs: JobService, leader: Leader) -> None:
        video, analysis = await uploaded_video(engine)
        await (await leader.ledger(analysis)).fail(UnsupportedMediaError("no moov", {"reason": "moov"}))
        with pytest.raises(UnsupportedMediaError, match="no moov") as caught:
            await jobs.create_transcode(PRINCIPAL, video.id, request=REQUEST)
        assert caught.value.details == {"reason": "moov"}

    async def test_a_video_id_is_taken_once(self, engine: AsyncEngine) -> None:
        video, job = await uploaded_video(engine)
        assert (video.status, job.status, job.cursor) == (VideoStatus.UPLOADED, JobStatus.QUEUED, 1)
        source = UploadedSource(key="k", name="n", size_bytes=1, sha256="0", content_type="video/mp4")
        with pytest.raises(AlreadyExistsError):
            await VideoService(engine).create(PRINCIPAL, video_id=video.id, title="", source=source)


class TestOwnership:
    async def test_another_owners_things_are_not_there(self, engine: AsyncEngine, jobs: JobService) -> None:
        other = await stranger(engine)
        video, job = await uploaded_video(engine)
        playback = PlaybackService(engine, b"k" * 32, 60)
        for ask in (
            VideoService(engine).get(other, video.id),
            jobs.get(other, job.id),
            jobs.cancel(other, job.id),
            jobs.retry(other, job.id),
            jobs.create_transcode(other, video.id, request=REQUEST),
            anext(jobs.events(other, job.id)),
            playback.playback(other, video.id),
            playback.resolve_owned(other, video.id, "hls/master.m3u8"),
        ):
            with pytest.raises(NotFoundError):
                await ask
        assert (await jobs.list(other)).items == ()
        assert (await VideoService(engine).list(other)).items == ()


class TestPages:
    async def test_every_row_once_newest_first(self, engine: AsyncEngine) -> None:
        service = VideoService(engine)
        made = [(await uploaded_video(engine))[0].id for _ in range(7)]
        seen, token = [], ""
        while True:
            page = await service.list(PRINCIPAL, page_size=3, page_token=token)
            seen += [video.id for video in page.items]
            token = page.next_token
            # A row that comes in between shifts nothing.
            await uploaded_video(engine)
            if not token:
                break
        assert seen == made[::-1]

    async def test_of_one_video(self, engine: AsyncEngine, jobs: JobService) -> None:
        video, job = await uploaded_video(engine)
        await uploaded_video(engine)
        assert [one.id for one in (await jobs.list(PRINCIPAL, video_id=video.id)).items] == [job.id]

    @pytest.mark.parametrize("token", ["x", "bnVsbA==", "WyIyMDI2IiwgMV0=", "é", "WzEsMl0="])
    async def test_a_forged_token_is_refused(self, engine: AsyncEngine, token: str) -> None:
        with pytest.raises(InvalidInputError):
            await VideoService(engine).list(PRINCIPAL, page_token=token)


class TestCancel:
    async def test_a_queued_job_ends_at_once(self, engine: AsyncEngine, jobs: JobService) -> None:
        _, job = await uploaded_video(engine)
        for _ in range(2):
            assert (await jobs.cancel(PRINCIPAL, job.id)).status is JobStatus.CANCELED
        assert [event.type async for event in jobs.events(PRINCIPAL, job.id)] == ["job.queued", "job.canceled"]

    async def test_a_running_job_is_asked(
        self, engine: AsyncEngine, jobs: JobService, leader: Leader, wakeup: Wakeup
    ) -> None:
        job, ledger = await transcode_job(engine, leader, wakeup)
        for _ in range(2):
            view = await jobs.cancel(PRINCIPAL, job.id)
        assert (view.status, view.cancel_requested) == (JobStatus.RUNNING, True)
        assert await ledger.cancel_requested()
        await ledger.fail(StorageError("gone"))
        with pytest.raises(ConflictError):
            await jobs.cancel(PRINCIPAL, job.id)


class TestRetry:
    async def test_it_adopts_what_was_committed(
        self, engine: AsyncEngine, jobs: JobService, leader: Leader, wakeup: Wakeup
    ) -> None:
        old, ledger = await transcode_job(engine, leader, wakeup)
        await ledger.save_plan(PLAN)
        assert await ledger.commit(KEYS[0], await ledger.begin_attempt(KEYS[0]), part_result(PLAN, KEYS[0]))
        await ledger.begin_attempt(KEYS[1])
        await ledger.begin_attempt(KEYS[1])
        await ledger.publish(Publication(segments=1, final=True))
        await ledger.fail(StorageError("gone"))
        assert (await VideoService(engine).get(PRINCIPAL, old.video_id)).status is VideoStatus.FAILED

        new = await jobs.retry(PRINCIPAL, old.id)
        assert (new.status, new.retry_of, new.package_id) == (JobStatus.QUEUED, old.id, old.package_id)
        assert (new.tasks_committed, new.publication.segments, new.publication.final) == (1, 1, False)
        assert (await jobs.retry(PRINCIPAL, old.id)).id == new.id
        ledger = await leader.ledger(new)
        state = await ledger.load()
        assert state.plan == PLAN
        assert [commit.key for commit in state.commits] == [KEYS[0]]
        with pytest.raises(ConflictError):
            await ledger.begin_attempt(KEYS[0])
        assert await ledger.begin_attempt(KEYS[1]) == 3
        video = await VideoService(engine).get(PRINCIPAL, old.video_id)
        assert (video.status, video.error) == (VideoStatus.PLAYABLE, None)

        await ledger.fail(StorageError("gone again"))
        with pytest.raises(ConflictError) as caught:
            await jobs.retry(PRINCIPAL, old.id)
        assert caught.value.details == {"jobId": str(new.id)}
        third = await jobs.retry(PRINCIPAL, new.id)
        assert await (await leader.ledger(third)).begin_attempt(KEYS[1]) == 4

    async def test_only_what_failed_or_was_canceled(
        self, engine: AsyncEngine, jobs: JobService, leader: Leader, wakeup: Wakeup
    ) -> None:
        job, ledger = await transcode_job(engine, leader, wakeup)
        with pytest.raises(ConflictError):
            await jobs.retry(PRINCIPAL, job.id)
        await ledger.succeed({})
        with pytest.raises(ConflictError):
            await jobs.retry(PRINCIPAL, job.id)

    async def test_many_at_once_make_one_job(
        self, engine: AsyncEngine, jobs: JobService, leader: Leader, wakeup: Wakeup
    ) -> None:
        job, ledger = await transcode_job(engine, leader, wakeup)
        await ledger.fail(StorageError("gone"))
        made = await asyncio.gather(*(jobs.retry(PRINCIPAL, job.id) for _ in range(8)))
        assert len({one.id for one in made}) == 1


class TestEvents:
    async def test_they_follow_a_job_and_resume_from_any_cursor(
        self, engine: AsyncEngine, jobs: JobService, leader: Leader, wakeup: Wakeup, redis: Redis
    ) -> None:
        stop = asyncio.Event()
        service = [asyncio.create_task(wakeup.run(stop)), asyncio.create_task(OutboxRelay(engine, redis).run(stop))]
        job, ledger = await transcode_job(engine, leader, wakeup)
        seen: list[JobEvent] = []
        caught_up = asyncio.Event()

        async def follow() -> None:
            async for event in jobs.events(PRINCIPAL, job.id):
                seen.append(event)
                caught_up.set()

        follower = asyncio.create_task(follow())
        await caught_up.wait()
        await ledger.save_plan(PLAN)
        assert await ledger.commit(KEYS[0], await ledger.begin_attempt(KEYS[0]), part_result(PLAN, KEYS[0]))
        await ledger.publish(Publication(segments=1))
        await ledger.succeed({"version": 1})
        await asyncio.wait_for(follower, 10)
        stop.set()
        await asyncio.gather(*service)

        assert [event.seq for event in seen] == list(range(1, len(seen) + 1))
        assert seen[-1].type == "job.succeeded"
        assert (seen[-1].job.status, seen[-1].job.report) == (JobStatus.SUCCEEDED, {"version": 1})
        # Each event shows the job as it was then, also to one who reads it later.
        again = [event async for event in jobs.events(PRINCIPAL, job.id)]
        first_commit = next(event for event in again if event.job.tasks_committed == 1)
        assert (first_commit.job.status, first_commit.job.publication.segments) == (JobStatus.RUNNING, 0)
        assert again[0].job.status is JobStatus.QUEUED
        assert again[0].job.started_at is None
        for cursor in range(len(again)):
            tail = [event async for event in jobs.events(PRINCIPAL, job.id, after=cursor)]
            assert tail == again[cursor:]
        assert [event async for event in jobs.events(PRINCIPAL, job.id, after=len(again))] == []
        with pytest.raises(InvalidInputError):
            await anext(jobs.events(PRINCIPAL, job.id, after=-1))

    async def test_concurrent_changes_leave_no_gap(
        self, engine: AsyncEngine, jobs: JobService, leader: Leader, wakeup: Wakeup
    ) -> None:
        job, ledger = await transcode_job(engine, leader, wakeup)
        await ledger.save_plan(PLAN)
        keys = [key for key in KEYS if key.index < len(PLAN.chunks)]

        async def run(key: TaskKey) -> None:
            assert await ledger.commit(key, await ledger.begin_attempt(key), part_result(PLAN, key))

        await asyncio.gather(*(run(key) for key in keys), jobs.cancel(PRINCIPAL, job.id))
        await ledger.succeed({})
        events = [event async for event in jobs.events(PRINCIPAL, job.id)]
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        committed = [event.job.tasks_committed for event in events]
        assert committed == sorted(committed)
        assert committed[-1] == len(keys)


class TestPlayback:
    async def test_from_the_first_segment_to_the_last(
        self, engine: AsyncEngine, jobs: JobService, leader: Leader, wakeup: Wakeup
    ) -> None:
        service = PlaybackService(engine, b"k" * 32, 60)
        job, ledger = await transcode_job(engine, leader, wakeup)
        with pytest.raises(NotFoundError):
            await service.playback(PRINCIPAL, job.video_id)
        await ledger.save_plan(PLAN)
        await ledger.publish(Publication(segments=1, seconds=1, total_seconds=12))  # type: ignore[arg-type]
        view = await service.playback(PRINCIPAL, job.video_id)
        assert (view.status, view.playable_seconds, view.final) == (VideoStatus.PLAYABLE, 1.0, False)
        assert view.poster_path is None
        assert view.expires_at > datetime.now(UTC)
        poster = TaskKey(kind="image")
        await ledger.commit(poster, await ledger.begin_attempt(poster), part_result(PLAN, poster))
        await ledger.succeed({})
        view = await service.playback(PRINCIPAL, job.video_id)
        assert view.status is VideoStatus.READY
        assert view.poster_path is not None
        _, _, _, token, package, path = view.hls_path.split("/", 5)
        assert path == "hls/master.m3u8"
        key = await service.resolve(token, uuid.UUID(package), path)
        assert key == f"packages/{job.video_id}/{package}/hls/master.m3u8"
        assert await service.resolve_owned(PRINCIPAL, job.video_id, path) == key

        # A later package that is only playable does not take the place of the READY one.
        second, _ = await jobs.create_transcode(PRINCIPAL, job.video_id, request=REQUEST)
        await (await leader.ledger(second)).publish(Publication(segments=1))
        assert (await service.playback(PRINCIPAL, job.video_id)).package_id == job.package_id

        for bad in ("", "x" * 59, "é", token[:-1], token[:-4] + "AAAA", token + "A"):
            with pytest.raises(UnauthorizedError):
                await service.resolve(bad, uuid.UUID(package), path)
        with pytest.raises(UnauthorizedError):
            await service.resolve(token, uuid.uuid4(), path)
        with pytest.raises(UnauthorizedError):
            await PlaybackService(engine, b"other" * 8, 60).resolve(token, uuid.UUID(package), path)
        expired = PlaybackService(engine, b"k" * 32, 0)
        token = (await expired.playback(PRINCIPAL, job.video_id)).hls_path.split("/")[3]
        with pytest.raises(UnauthorizedError, match="expired"):
            await service.resolve(token, uuid.UUID(package), path)

    @pytest.mark.parametrize(
        "path",
        [
            "", "hls", "hls/", "/hls/a", "hls//a", "hls/../x", "hls/..", "cmaf/.a", "report.json", "keys/a",
            "hls/a/", "hls/a\n", "hls/a\\b", "hls/%2e%2e", "hls/a\0", "attempts/a",
        ],
    )  # fmt: skip
    async def test_a_path_stays_in_its_package(
        self, engine: AsyncEngine, leader: Leader, wakeup: Wakeup, path: str
    ) -> None:
        service = PlaybackService(engine, b"k" * 32, 60)
        job, ledger = await transcode_job(engine, leader, wakeup)
        await ledger.publish(Publication(segments=1))
        token = (await service.playback(PRINCIPAL, job.video_id)).hls_path.split("/")[3]
        assert job.package_id is not None
        with pytest.raises(NotFoundError):
            await service.resolve(token, job.package_id, path)
        with pytest.raises(NotFoundError):
            await service.resolve_owned(PRINCIPAL, job.video_id, path)


class TestAccess:
    async def test_the_first_key_is_made_once(self, engine: AsyncEngine, tmp_path: Path) -> None:
        path = tmp_path / "data" / "api-key"
        service = AccessService(engine)
        made = await asyncio.gather(*(AccessService(engine).ensure_bootstrap_key(path) for _ in range(5)))
        (key,) = [one for one in made if one is not None]
        assert path.read_text().strip() == key
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert list(path.parent.iterdir()) == [path]
        assert await service.authenticate(key) == PRINCIPAL
        async with engine.connect() as connection:
            (stored,) = (await connection.execute(select(api_keys.c.key_sha256))).scalars()
        assert key.encode() not in stored

    async def test_a_crash_between_the_file_and_the_row_loses_no_key(self, engine: AsyncEngine, tmp_path: Path) -> None:
        service = AccessService(engine)
        path = tmp_path / "api-key"
        key = await service.ensure_bootstrap_key(path)
        async with engine.begin() as connection:
            await connection.execute(text("DELETE FROM api_keys"))
        assert await service.ensure_bootstrap_key(path) == key
        assert key is not None
        assert await service.authenticate(key) == PRINCIPAL

    async def test_wrong_and_revoked_keys(self, engine: AsyncEngine, tmp_path: Path) -> None:
        service = AccessService(engine)
        key = await service.ensure_bootstrap_key(tmp_path / "api-key")
        assert key is not None
        for bad in ("", "fm_", key[:-1], key + "A", key.lower() + "é", "fm_" + "A" * 43, "Bearer " + key):
            with pytest.raises(UnauthorizedError):
                await service.authenticate(bad)
        async with engine.begin() as connection:
            await connection.execute(update(api_keys).values(revoked_at=datetime.now(UTC)))
        with pytest.raises(UnauthorizedError):
            await service.authenticate(key)
