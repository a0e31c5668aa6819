"""The real service in a process of its own, and a small client of its HTTP API."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx

__all__ = ["Client", "Service", "ServiceError", "serve"]

START_SECONDS = 90.0
STOP_SECONDS = 30.0
TERMINAL = frozenset({"SUCCEEDED", "FAILED", "CANCELED"})


class ServiceError(AssertionError):
    """The service did not start, did not stop, or answered what it should not; the message says which."""


class Client:
    """HTTP requests with the API key. Answers are the JSON documents of the API, camelCase."""

    def __init__(self, base_url: str, api_key: str) -> None:
        self._http = httpx.Client(
            base_url=base_url, headers={"Authorization": f"Bearer {api_key}"}, timeout=60, trust_env=False
        )

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Any request; the status is the caller's to judge."""
        return self._http.request(method, path, **options)

    def get(self, path: str) -> dict[str, Any]:
        """A document. Errors: ServiceError for any status but 2xx."""
        return _document(self._http.get(path))

    def upload(self, source: Path, name: str | None = None) -> dict[str, Any]:
        """Send a file: {videoId, analyzeJobId, video}."""
        with source.open("rb") as file:
            return _document(self._http.post("/v1/videos", files={"file": (name or source.name, file)}))

    def transcode(self, video_id: str, **body: Any) -> dict[str, Any]:
        """Ask for a transcode job and give it."""
        return _document(self._http.post(f"/v1/videos/{video_id}/transcodes", json=body))

    def events(self, job_id: str, after: int = 0) -> Iterator[dict[str, Any]]:
        """Follow a job from an event on, to its end: {seq, type, at, job}."""
        headers = {"Last-Event-ID": str(after)} if after else {}
        with self._http.stream("GET", f"/v1/jobs/{job_id}/events", headers=headers) as answer:
            if answer.status_code != 200:
                answer.read()
                _document(answer)
            for line in answer.iter_lines():
                if line.startswith("data:"):
                    yield json.loads(line.removeprefix("data:"))

    def wait_playable(self, job_id: str) -> dict[str, Any]:
        """Follow a job until something can be played: the job as it was then."""
        for event in self.events(job_id):
            job: dict[str, Any] = event["job"]
            if job["playable"]["segments"] or job["status"] in TERMINAL:
                break
        else:
            raise ServiceError(f"the events of job {job_id} ended before it did")
        if not job["playable"]["segments"]:
            raise ServiceError(f"job {job_id} ended as {job['status']} with nothing to play: {job['error']}")
        return job

    def wait(self, job_id: str) -> dict[str, Any]:
        """Follow a job to its end: the job as it is then, whatever its state."""
        for event in self.events(job_id):
            job: dict[str, Any] = event["job"]
            if job["status"] in TERMINAL:
                return job
        raise ServiceError(f"the events of job {job_id} ended before it did")

    def playback(self, video_id: str) -> dict[str, Any]:
        """How to play a video, with `hlsUrl` and `dashUrl` absolute."""
        document = self.get(f"/v1/videos/{video_id}/playback")
        for field in ("hlsUrl", "dashUrl"):
            document[field] = urljoin(str(self._http.base_url), document[field])
        return document


class Service:
    """A running `framemill serve`."""

    def __init__(self, process: subprocess.Popen[bytes], data: Path, log: Path) -> None:
        self.process, self.data, self.log = process, data, log
        found = self._addresses()
        self.http_url: str = found["http"] if "://" in found["http"] else f"http://{found['http']}"
        self.grpc_address: str = found["grpc"]
        self.api_key = Path(found["apiKeyFile"]).read_text(encoding="ascii").strip()
        self.client = Client(self.http_url, self.api_key)

    def _addresses(self) -> dict[str, str]:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise ServiceError(f"framemill serve ended with {self.process.returncode}:\n{self.tail()}")
            # The file is written once the addresses answer. It may be seen half written: then it is no JSON yet.
            with contextlib.suppress(OSError, ValueError):
                found: dict[str, str] = json.loads((self.data / "serve.json").read_text(encoding="utf-8"))
                return found
            time.sleep(0.05)
        raise ServiceError(f"framemill serve did not start within {START_SECONDS:.0f} s:\n{self.tail()}")

    def tail(self) -> str:
        """The end of what the service has printed and logged."""
        return self.log.read_text(errors="replace")[-4000:]

    def stop(self) -> None:
        """End the service as an operator does, with SIGTERM. Errors: ServiceError where it does not end cleanly."""
        self.client.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired as error:
            self.kill()
            raise ServiceError(f"framemill serve did not stop within {STOP_SECONDS:.0f} s") from error
        if status not in (0, -signal.SIGKILL):
            raise ServiceError(f"framemill serve ended with {status}:\n{self.tail()}")

    def kill(self) -> None:
        """`kill -9`: the process has no chance to say goodbye."""
        self.client.close()
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def serve(data: Path, *, environment: Mapping[str, str] | None = None) -> Iterator[Service]:
    """Start `framemill serve` on free loopback ports with its data in `data`; stop it at the end."""
    data.mkdir(parents=True, exist_ok=True)
    # What an earlier, killed service left behind would be taken for the new one's.
    (data / "serve.json").unlink(missing_ok=True)
    log = data.parent / f"{data.name}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "control_plane.cli.main", "serve", "--data", str(data),
                "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0",
            ],
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
        )  # fmt: skip
    try:
        service = Service(process, data, log)
    except BaseException:
        process.kill()
        process.wait()
        raise
    try:
        yield service
    finally:
        service.stop()


def _document(answer: httpx.Response) -> dict[str, Any]:
    if not answer.is_success:
        raise ServiceError(f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text}")
    document: dict[str, Any] = answer.json()
    return document
