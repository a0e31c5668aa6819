"""`framemill serve` as a process: what it prints and writes, and how it starts and stops."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.doors import small_clip
from support.service import serve

from control_plane.embedded import EmbeddedServices


@pytest.fixture
def data() -> Iterator[Path]:
    # A short path: unix sockets lie below it.
    with tempfile.TemporaryDirectory(prefix="fm-", dir="/tmp") as folder:
        yield Path(folder, "data")


def failed_start(*arguments: str) -> tuple[int, str]:
    found = subprocess.run(
        [sys.executable, "-m", "control_plane.cli.main", "serve", *arguments],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert not found.stdout
    assert "Traceback" not in found.stderr
    return found.returncode, found.stderr


def test_a_life_of_serve(data: Path, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(small_clip())
    with serve(data) as service:
        found = json.loads((data / "serve.json").read_text())
        assert found["pid"] == service.process.pid
        assert stat.S_IMODE(Path(found["apiKeyFile"]).stat().st_mode) == 0o600
        assert stat.S_IMODE((data / "objects").stat().st_mode) == 0o700, "sources are nobody else's business"
        assert service.log.read_text().count(service.api_key) == 1
        assert service.client.get("/health")["role"] == "serve"
        video = service.client.upload(clip)
        assert service.client.wait(video["analyzeJobId"])["status"] == "SUCCEEDED"

        code, message = failed_start("--data", str(data))
        assert code != 0
        assert "another Framemill process" in message
        assert (data / "serve.json").exists()

        # An open event stream must not hold up the stop: this job is followed while the signal comes.
        job = service.client.transcode(video["videoId"])
        events = service.client.events(job["id"])
        next(events)
        service.process.send_signal(signal.SIGINT)
        assert service.process.wait(20) == 0
        assert not (data / "serve.json").exists()

    with serve(data) as service:
        assert service.log.read_text().count(service.api_key) == 1  # printed at the first start only
        assert service.client.get(f"/v1/videos/{video['videoId']}")["title"] == "clip"
        assert service.client.wait(job["id"])["status"] == "SUCCEEDED"


def test_an_address_in_use_is_said(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        code, message = failed_start("--data", str(data), "--http", address, "--grpc", "127.0.0.1:0")
    assert code == 5
    assert f"cannot listen for HTTP on {address}" in message


def test_one_role_a_process(data: Path, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(small_clip())
    embedded = EmbeddedServices(data / "services")
    embedded.start()
    environment = {
        **os.environ,
        "FRAMEMILL_DATA_DIR": str(data / "shared"),
        "FRAMEMILL_DATABASE_DSN": embedded.database_dsn,
        "FRAMEMILL_REDIS_URL": embedded.redis_url,
        "FRAMEMILL_HTTP_ADDRESS": "127.0.0.1:0",
        "FRAMEMILL_GRPC_ADDRESS": "127.0.0.1:0",
    }
    with contextlib.ExitStack() as stack:
        stack.callback(embedded.stop)
        said = {role: stack.enter_context(role_process(role, environment)) for role in ("api", "grpc", "worker")}
        found = subprocess.run(
            [
                sys.executable, "-m", "control_plane.cli.main", "submit", str(clip), "--wait", "--json",
                "--http", said["api"]["HTTP"], "--grpc", said["grpc"]["gRPC"],
                "--api-key", (data / "shared" / "api-key").read_text().strip(),
            ],
            capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip
        assert found.returncode == 0, found.stderr
        assert json.loads(found.stdout)["job"]["state"] == "JOB_STATE_SUCCEEDED"


@contextlib.contextmanager
def role_process(role: str, environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """A role in a process of its own: what it printed until it was ready. It must end cleanly by SIGTERM."""
    with subprocess.Popen(
        [sys.executable, "-m", "control_plane.cli.main", role],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            said = {}
            for line in process.stdout:
                if line.strip() == "ready":
                    break
                name, _, value = line.partition("  ")
                said[name] = value.strip()
            else:
                raise AssertionError(f"framemill {role} did not start")
            yield said
            process.terminate()
            assert process.wait(20) == 0
        finally:
            process.kill()
