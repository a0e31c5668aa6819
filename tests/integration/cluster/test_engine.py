"""The engine on a real Ray: whole jobs, and every way in which they are interrupted."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import psutil
import pytest
from support import clips, ffmpeg

from cluster.documents import JobRequest, Publication, StoreSpec, TaskKey
from cluster.engine import Engine, EngineSettings, Progress
from cluster.ledgers.journal import JournalLedger
from cluster.runtime.ray_runtime import RayRuntime
from transcoder.errors import CanceledError, FramemillError, TaskTimeoutError, UnsupportedMediaError
from transcoder.ladder import Ladder, VideoRung
from transcoder.verification import folder_opener, verify_package

LADDER = Ladder(
    name="small",
    segment_seconds=2,
    video=(
        VideoRung(id="v180", height=180, max_bitrate=600_000, buffer=900_000),
        VideoRung(id="v90", height=90, max_bitrate=200_000, buffer=300_000),
    ),
)
CLIP = clips.Clip(seconds=Fraction(12), keyframe_interval=40)
HEAVY = LADDER.model_copy(update={"video": tuple(r.model_copy(update={"preset": "veryslow"}) for r in LADDER.video)})
SETTINGS = EngineSettings(cancel_poll_seconds=0.1, publish_pause_seconds=0.05, retry_pause_seconds=0.1)


class Job:
    """One job over a journal in a folder, which any number of engines work on one after the other."""

    def __init__(self, folder: Path, runtime: RayRuntime, source: Path, ladder: Ladder = LADDER) -> None:
        self.out = folder / "out"
        self._journal = folder / "out.journal"
        (folder / "sources").mkdir()
        (folder / "sources" / "source").symlink_to(source)
        self._sources = StoreSpec(root=str(folder / "sources"))
        self._runtime = runtime
        self.ledger = JournalLedger.create(self._journal, "job", JobRequest(ladder=ladder))
        self.progress: list[Progress] = []
        self.first_commit = asyncio.Event()

    def engine(self, settings: EngineSettings = SETTINGS) -> Engine:
        return Engine(
            self.ledger, self._runtime, source=(self._sources, "source"), packages=StoreSpec(root=str(self.out)),
            settings=settings, on_progress=self._note,
        )  # fmt: skip

    def reopen(self) -> None:
        self.ledger.close()
        self.ledger = JournalLedger.open(self._journal)

    def lines(self, kind: str) -> list[dict[str, object]]:
        lines = [json.loads(line) for line in self._journal.read_text().splitlines()]
        return [line[kind] for line in lines if kind in line]

    def attempts_after_commit(self) -> list[str]:
        """Tasks of which an attempt began after one was committed: there must be none."""
        committed, wrong = set(), []
        for line in map(json.loads, self._journal.read_text().splitlines()):
            if "commit" in line:
                committed.add(str(TaskKey.model_validate(line["commit"]["key"])))
            elif "attempt" in line and str(TaskKey.model_validate(line["attempt"]["key"])) in committed:
                wrong.append(str(line["attempt"]))
        return wrong

    def _note(self, progress: Progress) -> None:
        self.progress.append(progress)
        if progress.chunks_done:
            self.first_commit.set()


async def idle(busy_workers: Callable[[], list[psutil.Process]]) -> None:
    """Until no worker executes anything: the kernel tells of a process's end only to its parent, so look."""
    async with asyncio.timeout(5):
        while busy_workers():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def check_package(out: Path, clip: clips.Clip) -> None:
    """Every rendition has every picture of the clip, once, in order, read by an independent FFmpeg."""
    for manifest in ("hls/v180.m3u8", "hls/v90.m3u8"):
        assert ffmpeg.frame_numbers(out / manifest) == list(clip.frames)
    assert verify_package(folder_opener(out), decode=True).failed == ()
    assert not (out / "attempts").exists()


async def test_a_job_from_the_source_to_the_final_package(runtime: RayRuntime, tmp_path: Path) -> None:
    job = Job(tmp_path, runtime, clips.cached(CLIP))
    report = await job.engine().transcode()
    check_package(job.out, CLIP)
    assert ffmpeg.frame_numbers(job.out / "dash" / "manifest.mpd") == list(CLIP.frames)
    assert report["retriedTasks"] == 0
    assert json.loads((job.out / "report.json").read_text()) == report
    assert (job.out / "thumbnails" / "poster.jpg").read_bytes().startswith(b"\xff\xd8\xff")
    assert job.progress[-1].stage == "done"
    assert job.ledger.outcome == {"status": "SUCCEEDED", "report": report}


async def test_the_title_can_be_played_while_it_is_made(
    runtime: RayRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job(tmp_path, runtime, clips.cached(CLIP), HEAVY)
    published: list[Publication] = []
    publish = job.ledger.publish

    async def look(publication: Publication) -> None:
        # At the moment of publication everything that the playlists name must be there.
        for playlist in (job.out / "hls").glob("[va]*.m3u8"):
            text = playlist.read_text()
            names = [line for line in text.splitlines() if line and not line.startswith("#")]
            assert len(names) >= publication.segments
            assert all((playlist.parent / name).is_file() for name in names)
            assert ("#EXT-X-ENDLIST" in text) == publication.final
        published.append(publication)
        await publish(publication)

    monkeypatch.setattr(job.ledger, "publish", look)
    await job.engine().transcode()
    counts = [publication.segments for publication in published]
    assert counts[0] < 4
    assert counts == sorted(counts)
    assert [publication.final for publication in published] == [False] * (len(published) - 1) + [True]
    assert len({publication.available_from for publication in published}) == 1


async def test_a_killed_worker_costs_one_retry(
    runtime: RayRuntime, tmp_path: Path, busy_workers: Callable[[], list[psutil.Process]]
) -> None:
    job = Job(tmp_path, runtime, clips.cached(CLIP), HEAVY)
    running = asyncio.create_task(job.engine().transcode())
    await job.first_commit.wait()
    for process in busy_workers():
        process.kill()
    report = await running
    assert report["retriedTasks"]
    failures = job.lines("failure")
    assert failures
    assert {failure["code"] for failure in failures} == {"WORKER_CRASHED"}
    assert job.attempts_after_commit() == []
    check_package(job.out, CLIP)


async def test_another_engine_goes_on_where_one_died(runtime: RayRuntime, tmp_path: Path) -> None:
    job = Job(tmp_path, runtime, clips.cached(CLIP), HEAVY)
    running = asyncio.create_task(job.engine().transcode())
    await job.first_commit.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert job.ledger.outcome is None
    before = len(job.lines("commit"))
    assert before
    job.reopen()
    await job.engine().transcode()
    assert job.attempts_after_commit() == []
    assert len(job.lines("commit")) > before
    keys = [str(TaskKey.model_validate(line["key"])) for line in job.lines("commit")]
    assert len(keys) == len(set(keys))
    check_package(job.out, CLIP)


async def test_a_canceled_job_stops_within_five_seconds(
    runtime: RayRuntime,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    busy_workers: Callable[[], list[psutil.Process]],
) -> None:
    job = Job(tmp_path, runtime, clips.cached(CLIP), HEAVY)
    requested = False

    async def cancel_requested() -> bool:
        return requested

    monkeypatch.setattr(job.ledger, "cancel_requested", cancel_requested)
    running = asyncio.create_task(job.engine().transcode())
    await job.first_commit.wait()
    requested, asked = True, time.monotonic()
    with pytest.raises(CanceledError):
        await running
    await idle(busy_workers)
    assert time.monotonic() - asked < 5
    assert job.ledger.outcome is not None
    assert job.ledger.outcome["status"] == "CANCELED"
    assert all("#EXT-X-ENDLIST" not in playlist.read_text() for playlist in job.out.glob("hls/*.m3u8"))


async def test_a_task_past_its_wall_clock_is_tried_again_and_then_given_up(
    runtime: RayRuntime, tmp_path: Path, busy_workers: Callable[[], list[psutil.Process]]
) -> None:
    job = Job(tmp_path, runtime, clips.cached(CLIP), HEAVY)
    settings = EngineSettings(retry_pause_seconds=0, task_seconds=0.01, task_factor=0)
    with pytest.raises(TaskTimeoutError):
        await job.engine(settings).transcode()
    assert max(int(str(line["attempt"])) for line in job.lines("attempt")) == 3
    await idle(busy_workers)


@pytest.mark.parametrize("method", ["begin_attempt", "commit", "publish"])
async def test_a_ledger_that_is_away_ends_the_run_and_not_the_job(
    runtime: RayRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    job = Job(tmp_path, runtime, clips.cached(CLIP))

    async def away(*_: object) -> None:
        raise ConnectionError("the database is away")

    monkeypatch.setattr(job.ledger, method, away)
    with pytest.raises(ConnectionError):
        await asyncio.wait_for(job.engine().transcode(), 60)
    assert job.ledger.outcome is None
    job.reopen()
    await job.engine().transcode()
    assert job.attempts_after_commit() == []
    check_package(job.out, CLIP)


async def test_a_death_between_the_final_manifests_and_success_costs_nothing(
    runtime: RayRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job(tmp_path, runtime, clips.cached(CLIP))

    async def away(*_: object) -> None:
        raise ConnectionError("the database is away")

    monkeypatch.setattr(job.ledger, "succeed", away)
    with pytest.raises(ConnectionError):
        await job.engine().transcode()
    assert "#EXT-X-ENDLIST" in (job.out / "hls" / "v180.m3u8").read_text()
    attempts = len(job.lines("attempt"))
    job.reopen()
    await job.engine().transcode()
    assert len(job.lines("attempt")) == attempts
    assert job.ledger.outcome is not None
    assert job.ledger.outcome["status"] == "SUCCEEDED"
    check_package(job.out, CLIP)


async def test_a_look_for_a_cancel_that_fails_is_not_the_last_one(
    runtime: RayRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job(tmp_path, runtime, clips.cached(CLIP), HEAVY)
    looks = 0

    async def cancel_requested() -> bool:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise ConnectionError("the database is away")
        return True

    monkeypatch.setattr(job.ledger, "cancel_requested", cancel_requested)
    with pytest.raises(CanceledError):
        await job.engine().transcode()
    assert looks == 2


@pytest.mark.parametrize("content", [b"", b"text\n" * 100, b"ffconcat version 1.0\nfile x.mp4\n"])
async def test_a_source_that_is_no_video_fails_the_job(runtime: RayRuntime, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.mp4").write_bytes(content)
    job = Job(tmp_path, runtime, tmp_path / "bad.mp4")
    with pytest.raises(UnsupportedMediaError):
        await job.engine().transcode()
    assert job.ledger.outcome is not None
    assert (job.ledger.outcome["status"], job.ledger.outcome["code"]) == ("FAILED", "UNSUPPORTED_MEDIA")
    assert job.lines("attempt") == []


async def test_damage_in_a_chunk_is_an_error_with_its_reason(runtime: RayRuntime, tmp_path: Path) -> None:
    job = Job(tmp_path, runtime, clips.cached(CLIP))
    await job.engine().analyze()
    job.reopen()
    # The source is gone after the analysis: the store says so, and no retry can help.
    (tmp_path / "sources" / "source").unlink()
    with pytest.raises(FramemillError) as caught:
        await job.engine().transcode()
    assert caught.value.code == "NOT_FOUND"
