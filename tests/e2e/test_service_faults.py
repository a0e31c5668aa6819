"""The running service under fire: killed processes, bad input, restarts. Real processes, real servers."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from support import clips, ffmpeg, hls
from support.service import Client, Service, serve

from control_plane.embedded import EmbeddedServices

CLIP = clips.Clip(seconds=Fraction(24), width=640, height=360, keyframe_interval=60)


@pytest.fixture
def data() -> Iterator[Path]:
    # Not below pytest's own folder: another pytest that starts meanwhile closes that to PostgreSQL's user.
    folder = Path(tempfile.mkdtemp(prefix="fm-", dir="/tmp"))
    yield folder / "data"
    shutil.rmtree(folder)


def start_job(client: Client) -> tuple[str, str]:
    """Upload the clip and ask for a transcode: the ids of video and job."""
    video: str = client.upload(clips.cached(CLIP))["videoId"]
    job: str = client.transcode(video)["id"]
    return video, job


def wait_for_commits(client: Client, job: str, count: int) -> None:
    for event in client.events(job):
        if event["job"]["progress"]["tasksCommitted"] >= count:
            return
    raise AssertionError("the job ended before it was disturbed")


def check_whole(client: Client, video: str) -> None:
    """Every picture of the clip is there on every rung, once, in order."""
    assert client.get(f"/v1/videos/{video}")["status"] == "READY"
    for playlist in hls.media_playlists(client.playback(video)["hlsUrl"]).video:
        assert ffmpeg.frame_numbers(playlist) == list(CLIP.frames)


def attempts(data: Path, job: str) -> list[dict[str, Any]]:
    """The rows of the attempts table, of a service that is stopped."""
    services = EmbeddedServices(data)
    services.start()
    try:
        dsn = services.database_dsn.replace("+psycopg", "")
        with psycopg.connect(dsn, row_factory=psycopg.rows.dict_row) as connection:
            return connection.execute("SELECT * FROM attempts WHERE job_id = %s", (job,)).fetchall()
    finally:
        services.stop()


def check_attempts(rows: list[dict[str, Any]]) -> None:
    """Exactly one committed attempt a task, and none that began after it was committed."""
    committed = {}
    for row in rows:
        if row["status"] == "COMMITTED":
            assert row["task_key"] not in committed
            committed[row["task_key"]] = row["finished_at"]
    for row in rows:
        assert row["started_at"] <= committed[row["task_key"]]


def test_a_killed_dispatcher_loses_nothing(data: Path) -> None:
    with serve(data) as first:
        video, job = start_job(first.client)
        wait_for_commits(first.client, job, 3)
        first.kill()
    with serve(data) as second:
        done = second.client.wait(job)
        assert done["status"] == "SUCCEEDED", done["error"]
        check_whole(second.client, video)
    rows = attempts(data, job)
    assert {row["status"] for row in rows} == {"COMMITTED", "LOST"}
    check_attempts(rows)


def test_a_killed_worker_costs_one_retry(data: Path) -> None:
    with serve(data) as service:
        video, job = start_job(service.client)
        wait_for_commits(service.client, job, 3)
        killed = kill_busy_workers(service)
        assert killed
        done = service.client.wait(job)
        assert done["status"] == "SUCCEEDED", done["error"]
        check_whole(service.client, video)
    rows = attempts(data, job)
    assert "FAILED" in {row["status"] for row in rows}
    check_attempts(rows)


def kill_busy_workers(service: Service) -> int:
    count = 0
    for process in psutil.Process(service.process.pid).children(recursive=True):
        try:
            title = " ".join(process.cmdline())
            if (title.startswith("ray::") and "video" in title) or ("audio" in title and title.startswith("ray::")):
                os.kill(process.pid, signal.SIGKILL)
                count += 1
        except (psutil.Error, ProcessLookupError):
            continue
    return count


def test_everything_is_there_after_a_restart(data: Path) -> None:
    with serve(data) as service:
        video, job = start_job(service.client)
        assert service.client.wait(job)["status"] == "SUCCEEDED"
        key = service.api_key
    with serve(data) as service:
        assert service.api_key == key
        assert [item["id"] for item in service.client.get("/v1/videos")["videos"]] == [video]
        jobs = service.client.get("/v1/jobs")["jobs"]
        assert job in [item["id"] for item in jobs]
        assert {item["status"] for item in jobs} == {"SUCCEEDED"}
        check_whole(service.client, video)


class Listener:
    """A port that counts who connects: what an SSRF would reach."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.connections = 0
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            connection.close()

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    opened = Listener()
    yield opened
    opened.close()


def test_bad_input_is_refused_and_the_service_goes_on(data: Path, tmp_path: Path, listener: Listener) -> None:
    good = clips.cached(clips.Clip(seconds=Fraction(2)))
    url = f"http://127.0.0.1:{listener.port}/x.mp4"
    whole = good.read_bytes()
    assert b"moov" in whole[len(whole) // 2 :], "the generated clips have their index at the end"
    by_signature = {
        "empty.mp4": b"",
        "text.mp4": b"just some text\n" * 100,
        "script.mp4": f"ffconcat version 1.0\nfile '{good}'\nfile '{url}'\n".encode(),
        "playlist.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{url}\n#EXT-X-ENDLIST\n".encode(),
    }
    with serve(data) as service:
        client = service.client
        for name, content in by_signature.items():
            answer = client.request("POST", "/v1/videos", files={"file": (name, content)})
            assert (answer.status_code, answer.json()["code"]) == (415, "UNSUPPORTED_MEDIA"), name
        # Only decoding can tell that the index is missing.
        cut = tmp_path / "cut.mp4"
        cut.write_bytes(whole[: whole.index(b"moov") - 4])
        upload = client.upload(cut)
        analysis = client.wait(upload["analyzeJobId"])
        assert (analysis["status"], analysis["error"]["code"]) == ("FAILED", "UNSUPPORTED_MEDIA")
        video = client.get(f"/v1/videos/{upload['videoId']}")
        assert (video["status"], video["error"]["code"]) == ("FAILED", "UNSUPPORTED_MEDIA")
        refused = client.request("POST", f"/v1/videos/{upload['videoId']}/transcodes", json={})
        assert (refused.status_code, refused.json()["code"]) == (415, "UNSUPPORTED_MEDIA")
        assert client.wait(client.transcode(client.upload(good)["videoId"])["id"])["status"] == "SUCCEEDED"
    assert listener.connections == 0
