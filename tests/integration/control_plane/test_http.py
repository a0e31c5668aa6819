"""The HTTP door over the real services."""

from __future__ import annotations

import asyncio
import hashlib
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute
from support.doors import MAX_UPLOAD_BYTES, Doors, error_of, open_doors, small_clip

from control_plane.db.engine import create_engine
from control_plane.rest.app import create_app
from control_plane.rest.door import MAX_BODY_BYTES
from control_plane.service.access import AccessService
from control_plane.service.health import HealthService

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def doors() -> AsyncIterator[Doors]:
    async with open_doors() as opened:
        yield opened


def routes_of(routes: list[BaseRoute]) -> Iterator[tuple[str, str]]:
    """Every (method, path) of an app, whether or not its framework keeps included routers nested."""
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from routes_of(inner.routes)
        elif isinstance(route, APIRoute):
            for method in route.methods:
                yield method, route.path
        else:
            path: str = route.path
            yield "GET", path


def filled(path: str) -> str:
    for name in ("video_id", "job_id", "package_id"):
        path = path.replace(f"{{{name}}}", str(uuid.uuid4()))
    return path.replace("{path:path}", "master.m3u8").replace("{token}", "forged")


class TestAuthentication:
    async def test_no_route_answers_without_a_key(self, doors: Doors) -> None:
        walked = list(routes_of(doors.app.routes))
        assert len(walked) > 20
        async with httpx.AsyncClient(base_url=doors.http_url, trust_env=False) as stranger:
            for method, path in walked:
                if path == "/health" or (method, path.startswith("/v1/playback/")) == ("OPTIONS", True):
                    continue
                for headers in ({}, {"Authorization": "Bearer fm_wrong"}, {"X-API-Key": "fm_wrong"}):
                    answer = await stranger.request(method, filled(path), headers=headers)
                    assert answer.status_code == 401, (method, path, answer.text)
                    if method != "HEAD":
                        assert error_of(answer) == (401, "UNAUTHORIZED")
                        assert answer.headers["www-authenticate"] == "Bearer"

    @pytest.mark.parametrize("scheme", ["Bearer {}", "bearer {}", None])
    async def test_both_ways_to_show_a_key(self, doors: Doors, scheme: str | None) -> None:
        headers = {"Authorization": scheme.format(doors.api_key)} if scheme else {"X-API-Key": doors.api_key}
        async with httpx.AsyncClient(base_url=doors.http_url, trust_env=False) as client:
            assert (await client.get("/v1/videos", headers=headers)).status_code == 200

    async def test_an_unknown_path_needs_a_key_too(self, doors: Doors) -> None:
        async with httpx.AsyncClient(base_url=doors.http_url, trust_env=False) as stranger:
            assert (await stranger.get("/nowhere")).status_code == 401
        assert error_of(await doors.client.get("/nowhere")) == (404, "NOT_FOUND")
        assert error_of(await doors.client.get("/health/")) == (404, "NOT_FOUND")
        assert error_of(await doors.client.put("/v1/jobs")) == (405, "METHOD_NOT_ALLOWED")


class TestUpload:
    async def test_a_clip(self, doors: Doors) -> None:
        created = await doors.upload("Mein Clip")
        video = created["video"]
        assert video["id"] == created["videoId"]
        assert (video["title"], video["status"], video["sourceName"]) == ("Mein Clip", "UPLOADED", "clip.mp4")
        assert video["sizeBytes"] == len(small_clip())
        assert video["sha256"] == hashlib.sha256(small_clip()).hexdigest()
        [stored] = [info for info in doors.store.list("sources/") if created["videoId"] in info.key]
        assert doors.store.read(stored.key) == small_clip()
        assert (await doors.client.get(f"/v1/videos/{created['videoId']}")).json() == video
        job = (await doors.client.get(f"/v1/jobs/{created['analyzeJobId']}")).json()
        assert (job["type"], job["status"], job["videoId"]) == ("ANALYZE", "QUEUED", created["videoId"])
        assert not doors.uploads

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"this is only text\n" * 20,
            b"ffconcat version 1.0\nfile 'other.mp4'\n",
            b"#EXTM3U\n#EXTINF:10,\nfile:///etc/hostname\n",
            b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
        ],
        ids=["empty", "text", "ffconcat", "hls", "png"],
    )
    async def test_what_is_no_container_is_415_and_leaves_nothing(self, doors: Doors, data: bytes) -> None:
        before = [info.key for info in doors.store.list()]
        count = len((await doors.client.get("/v1/videos?pageSize=200")).json()["videos"])
        answer = await doors.client.post("/v1/videos", files={"file": ("clip.mp4", data, "video/mp4")})
        assert error_of(answer) == (415, "UNSUPPORTED_MEDIA")
        assert [info.key for info in doors.store.list()] == before
        assert len((await doors.client.get("/v1/videos?pageSize=200")).json()["videos"]) == count
        assert not doors.uploads

    @pytest.mark.parametrize("declared", [True, False])
    async def test_too_large_is_413(self, doors: Doors, declared: bool) -> None:
        body = _form(small_clip() + bytes(MAX_UPLOAD_BYTES))
        headers = {"Content-Type": "multipart/form-data; boundary=edge"}

        async def streamed() -> AsyncIterator[bytes]:
            for start in range(0, len(body), 65_536):
                yield body[start : start + 65_536]

        content: Any = body if declared else streamed()
        answer = await doors.client.post("/v1/videos", content=content, headers=headers)
        assert error_of(answer) == (413, "PAYLOAD_TOO_LARGE")
        assert answer.json()["details"] == {"limitBytes": MAX_UPLOAD_BYTES}
        assert not doors.uploads

    async def test_a_client_that_goes_away_leaves_nothing(self, doors: Doors) -> None:
        host, port = doors.http_url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        body = _form(small_clip() + bytes(1_000_000))
        writer.write(
            b"POST /v1/videos HTTP/1.1\r\nHost: x\r\nX-API-Key: " + doors.api_key.encode() + b"\r\n"
            b"Content-Type: multipart/form-data; boundary=edge\r\n"
            b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body[: len(body) // 2]
        )
        await writer.drain()
        async with asyncio.timeout(10):
            while not doors.uploads:  # noqa: ASYNC110 - the server tells nobody when its file is there
                await asyncio.sleep(0.01)
            writer.close()
            while doors.uploads:  # noqa: ASYNC110 - nor when it is gone
                await asyncio.sleep(0.01)

    async def test_a_form_without_a_file(self, doors: Doors) -> None:
        answer = await doors.client.post("/v1/videos", files={"title": (None, "x")})
        assert error_of(answer) == (400, "VALIDATION_ERROR")
        assert list(answer.json()["details"]["fields"]) == ["file"]
        answer = await doors.client.post("/v1/videos", json={"file": "x"})
        assert error_of(answer) == (400, "VALIDATION_ERROR")

    async def test_the_list_has_pages(self, doors: Doors) -> None:
        made = [(await doors.upload(f"page {n}"))["videoId"] for n in range(3)]
        first = (await doors.client.get("/v1/videos", params={"pageSize": 2})).json()
        assert [video["id"] for video in first["videos"]] == [made[2], made[1]]
        second = await doors.client.get("/v1/videos", params={"pageSize": 2, "pageToken": first["nextPageToken"]})
        assert second.json()["videos"][0]["id"] == made[0]
        answer = await doors.client.get("/v1/videos", params={"pageToken": "forged"})
        assert error_of(answer) == (400, "VALIDATION_ERROR")
        assert error_of(await doors.client.get("/v1/videos", params={"pageSize": -1})) == (400, "VALIDATION_ERROR")


class TestJobs:
    async def test_the_same_request_gives_the_same_job(self, doors: Doors) -> None:
        video = (await doors.upload())["videoId"]
        answer = await doors.client.post(f"/v1/videos/{video}/transcodes", json={"labels": {"a": "b"}, "priority": 3})
        assert answer.status_code == 202
        job = answer.json()
        assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
        assert (job["type"], job["status"], job["ladder"], job["priority"]) == ("TRANSCODE", "QUEUED", "h264", 3)
        again = await doors.client.post(f"/v1/videos/{video}/transcodes", json={"labels": {"a": "b"}, "priority": 3})
        assert (again.status_code, again.json()["id"]) == (202, job["id"])
        listed = (await doors.client.get("/v1/jobs", params={"videoId": video})).json()["jobs"]
        assert [found["type"] for found in listed] == ["TRANSCODE", "ANALYZE"]

    async def test_two_at_once_create_one_job(self, doors: Doors) -> None:
        video = (await doors.upload())["videoId"]
        jobs = await asyncio.gather(*(doors.transcode(video) for _ in range(8)))
        assert len({job["id"] for job in jobs}) == 1

    async def test_an_idempotency_key_outlives_the_job(self, doors: Doors) -> None:
        video, key = (await doors.upload())["videoId"], str(uuid.uuid4())
        path = f"/v1/videos/{video}/transcodes"
        first = (await doors.client.post(path, headers={"Idempotency-Key": key})).json()
        await doors.client.post(f"/v1/jobs/{first['id']}/cancel")
        again = await doors.client.post(path, json={"requestId": key})
        assert (again.json()["id"], again.json()["status"]) == (first["id"], "CANCELED")
        other = await doors.client.post(path, json={"requestId": "other"}, headers={"Idempotency-Key": key})
        assert error_of(other) == (400, "VALIDATION_ERROR")

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"ladder": "/etc/passwd"}, "ladder"),
            ({"ladder": 7}, "ladder"),
            ({"drm": "clearkey"}, "drm"),
            ({"priority": 1000}, "priority"),
            ({"labels": {"": "x"}}, "labels"),
            ({"requestId": "a b"}, "requestId"),
            ({"lader": "h264"}, "lader"),
        ],
        ids=str,
    )
    async def test_a_wrong_field_is_named(self, doors: Doors, body: dict[str, Any], field: str) -> None:
        video = (await doors.upload())["videoId"]
        answer = await doors.client.post(f"/v1/videos/{video}/transcodes", json=body)
        assert error_of(answer) == (400, "VALIDATION_ERROR")
        assert list(answer.json()["details"]["fields"]) == [field]

    async def test_what_is_not_there(self, doors: Doors) -> None:
        nobody = uuid.uuid4()
        for method, path in (
            ("GET", f"/v1/videos/{nobody}"), ("POST", f"/v1/videos/{nobody}/transcodes"), ("GET", f"/v1/jobs/{nobody}"),
            ("GET", f"/v1/jobs/{nobody}/events"), ("POST", f"/v1/jobs/{nobody}/cancel"),
            ("POST", f"/v1/jobs/{nobody}/retry"), ("GET", f"/v1/videos/{nobody}/playback"),
            ("GET", f"/v1/videos/{nobody}/hls/master.m3u8"),
        ):  # fmt: skip
            assert error_of(await doors.client.request(method, path)) == (404, "NOT_FOUND"), path
        assert error_of(await doors.client.get("/v1/jobs/7")) == (400, "VALIDATION_ERROR")

    async def test_cancel_and_retry(self, doors: Doors) -> None:
        video = (await doors.upload())["videoId"]
        job = (await doors.transcode(video))["id"]
        assert error_of(await doors.client.post(f"/v1/jobs/{job}/retry")) == (409, "CONFLICT")
        canceled = await doors.client.post(f"/v1/jobs/{job}/cancel")
        assert (canceled.status_code, canceled.json()["status"]) == (200, "CANCELED")
        retried = await doors.client.post(f"/v1/jobs/{job}/retry")
        assert (retried.status_code, retried.json()["retryOf"]) == (202, job)
        assert retried.json()["id"] != job

    async def test_a_body_over_the_limit(self, doors: Doors) -> None:
        video = (await doors.upload())["videoId"]
        path, headers = f"/v1/videos/{video}/transcodes", {"Content-Type": "application/json"}
        large = json.dumps({"labels": {"a": "x" * MAX_BODY_BYTES}}).encode()

        async def streamed() -> AsyncIterator[bytes]:
            yield large

        for content in (large, streamed()):
            answer = await doors.client.post(path, content=content, headers=headers)
            assert error_of(answer) == (413, "PAYLOAD_TOO_LARGE")


class TestEvents:
    async def test_replay_follow_and_resume(self, doors: Doors) -> None:
        video = (await doors.upload())["videoId"]
        job = (await doors.transcode(video))["id"]
        first_seen: asyncio.Event = asyncio.Event()

        async def follow() -> list[tuple[str, dict[str, Any]]]:
            found = []
            async for identifier, data in _sse(doors, job):
                found.append((identifier, data))
                first_seen.set()
            return found

        following = asyncio.create_task(follow())
        await asyncio.wait_for(first_seen.wait(), 10)
        await doors.client.post(f"/v1/jobs/{job}/cancel")
        events = await asyncio.wait_for(following, 10)
        assert [int(identifier) for identifier, _ in events] == list(range(1, len(events) + 1))
        assert all(int(identifier) == data["seq"] for identifier, data in events)
        assert events[-1][1]["type"] == "job.canceled"
        assert events[-1][1]["job"]["status"] == "CANCELED"
        rest = [data["seq"] async for _, data in _sse(doors, job, last_event_id="1")]
        assert rest == list(range(2, len(events) + 1))
        assert [data async for _, data in _sse(doors, job, last_event_id=str(len(events)))] == []

    @pytest.mark.parametrize("cursor", ["x", "-1", "9" * 30, "1.5"])
    async def test_a_cursor_that_is_none(self, doors: Doors, cursor: str) -> None:
        job = (await doors.upload())["analyzeJobId"]
        answer = await doors.client.get(f"/v1/jobs/{job}/events", headers={"Last-Event-ID": cursor})
        assert error_of(answer) == (400, "VALIDATION_ERROR")


class TestOperations:
    async def test_health_needs_no_key(self, doors: Doors) -> None:
        async with httpx.AsyncClient(base_url=doors.http_url, trust_env=False) as stranger:
            answer = await stranger.get("/health")
        assert answer.status_code == 200
        body = answer.json()
        assert (body["role"], body["database"], body["redis"], body["healthy"]) == ("serve", True, True, True)
        assert body["uptimeSeconds"] > 0

    async def test_without_its_database_it_is_unhealthy_and_says_so(self, doors: Doors) -> None:
        dead = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
        services = replace(
            doors.platform.services,
            access=AccessService(dead),
            health=HealthService(dead, doors.platform.redis, role="api"),
        )
        app = create_app(services, doors.store, doors.platform.settings)
        try:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://door") as client:
                health = await client.get("/health")
                listed = await client.get("/v1/videos", headers={"X-API-Key": doors.api_key})
        finally:
            await dead.dispose()
        assert (health.status_code, health.json()["database"], health.json()["redis"]) == (503, False, True)
        assert error_of(listed) == (503, "UNAVAILABLE")

    async def test_metrics_count_what_happened(self, doors: Doors) -> None:
        job = (await doors.upload())["analyzeJobId"]
        await doors.client.get(f"/v1/jobs/{job}")
        text = (await doors.client.get("/metrics")).text
        assert 'framemill_http_requests_total{method="GET",route="/v1/jobs/{job_id}",status="200"}' in text
        assert 'framemill_jobs{status="QUEUED"}' in text
        assert job not in text
        [uploaded] = [line for line in text.splitlines() if line.startswith("framemill_upload_bytes_total ")]
        assert float(uploaded.split()[1]) >= len(small_clip())

    async def test_every_answer_has_a_request_id(self, doors: Doors) -> None:
        answer = await doors.client.get("/v1/jobs", headers={"X-Request-Id": "mine-1"})
        assert answer.headers["x-request-id"] == "mine-1"
        answer = await doors.client.get("/nowhere", headers={"X-Request-Id": "x" * 500})
        assert uuid.UUID(answer.headers["x-request-id"])

    async def test_a_crash_leaks_nothing(self, doors: Doors) -> None:
        app = create_app(doors.platform.services, doors.store, doors.platform.settings)

        @app.get("/v1/crash")
        async def crash() -> None:
            raise RuntimeError("secret")

        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://door") as client:
            answer = await client.get("/v1/crash", headers={"X-API-Key": doors.api_key})
        assert error_of(answer) == (500, "INTERNAL")
        assert "secret" not in answer.text
        assert uuid.UUID(answer.json()["details"]["errorId"])


def _form(data: bytes) -> bytes:
    head = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
    return head + data + b"\r\n--edge--\r\n"


async def _sse(doors: Doors, job_id: str, last_event_id: str = "") -> AsyncIterator[tuple[str, dict[str, Any]]]:
    headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
    async with doors.client.stream("GET", f"/v1/jobs/{job_id}/events", headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        identifier = ""
        async for line in answer.aiter_lines():
            if line.startswith("id: "):
                identifier = line.removeprefix("id: ")
            elif line.startswith("data: "):
                yield identifier, json.loads(line.removeprefix("data: "))
