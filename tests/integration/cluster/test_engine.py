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
from support.jobs import LADDER, Job

from cluster.documents import Publication, TaskKey
from cluster.engine import EngineSettings
from cluster.runtime.ray_runtime import RayRuntime
from transcoder.errors import (
    CanceledError,
    FramemillError,
    TaskTimeoutError,
    UnsupportedMediaError,
    VerificationError,
)
from transcoder.ladder import QualityRequest
from transcoder.verification import folder_opener, verify_package

HEAVY = LADDER.model_copy(update={"video": tuple(r.model_copy(update={"preset": "veryslow"}) for r in LADDER.video)})
CLIP = clips.Clip(seconds=Fraction(12), keyframe_interval=40)
SHORT = clips.Clip(seconds=Fraction(3), keyframe_interval=40)


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


async def test_vmaf_of_every_segment_is_in_the_report(runtime: RayRuntime, tmp_path: Path) -> None:
    ladder = LADDER.model_copy(update={"quality": QualityRequest(vmaf=True, min_vmaf=1)})
    job = Job(tmp_path, runtime, clips.cached(SHORT), ladder)
    report = await job.engine().transcode()
    renditions = report["renditions"]
    assert isinstance(renditions, list)
    for rendition in renditions[:2]:
        quality = rendition["quality"]
        assert [segment["number"] for segment in quality["segments"]] == list(range(1, len(quality["segments"]) + 1))
        scores = [segment["vmaf"] for segment in quality["segments"]]
        assert min(scores) <= quality["vmaf"] <= max(scores)


async def test_a_rung_below_the_floor_fails_the_job_and_says_where(runtime: RayRuntime, tmp_path: Path) -> None:
    ladder = LADDER.model_copy(update={"quality": QualityRequest(min_psnr=99)})
    job = Job(tmp_path, runtime, clips.cached(SHORT), ladder)
    with pytest.raises(VerificationError, match=r"rendition v\d+ is below the quality floor: segment \d+ has PSNR"):
        await job.engine().transcode()
    assert job.ledger.outcome is not None
    assert job.ledger.outcome["code"] == "VERIFICATION_FAILED"
    # Several chunks may have been under way.
    assert {line["code"] for line in job.lines("failure")} == {"VERIFICATION_FAILED"}
