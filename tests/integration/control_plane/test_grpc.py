"""The gRPC door over the real services, and the client commands over both doors."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from support.doors import Doors, open_doors, small_clip

from control_plane.cli.main import main
from control_plane.pb.framemill.v1 import transcode_pb2 as pb
from control_plane.pb.framemill.v1 import transcode_pb2_grpc as pb_grpc

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def doors() -> AsyncIterator[Doors]:
    async with open_doors() as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def channel(doors: Doors) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(doors.grpc_address) as opened:
        yield opened


@pytest.fixture
def key(doors: Doors) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {doors.api_key}"),)


@pytest.fixture
def stub(channel: grpc.aio.Channel) -> Any:
    return pb_grpc.TranscodeServiceStub(channel)


async def failure(call: Any) -> tuple[grpc.StatusCode, error_details_pb2.ErrorInfo, status_pb2.Status]:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    status = status_pb2.Status.FromString(dict(raised.value.trailing_metadata())["grpc-status-details-bin"])
    assert status.code == raised.value.code().value[0]
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.domain == "framemill"
    return raised.value.code(), info, status


async def reflect(channel: grpc.aio.Channel, metadata: Any, **ask: str) -> Any:
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    request = reflection_pb2.ServerReflectionRequest(**ask)
    async for answer in stub.ServerReflectionInfo(iter([request]), metadata=metadata):
        return answer
    raise AssertionError("no answer")


async def test_no_method_answers_without_a_key(channel: grpc.aio.Channel, key: Any) -> None:
    services = (await reflect(channel, key, list_services="")).list_services_response.service
    walked = 0
    for service in services:
        answer = await reflect(channel, key, file_containing_symbol=service.name)
        for raw in answer.file_descriptor_response.file_descriptor_proto:
            file = FileDescriptorProto.FromString(raw)
            for described in file.service:
                if f"{file.package}.{described.name}" != service.name or service.name == "grpc.health.v1.Health":
                    continue
                for method in described.method:
                    for metadata in ((), (("x-api-key", "fm_wrong"),), (("authorization", "Basic eDp5"),)):
                        name = f"/{service.name}/{method.name}"
                        code = await _call(channel, name, method.client_streaming, method.server_streaming, metadata)
                        assert code is grpc.StatusCode.UNAUTHENTICATED, (name, metadata)
                        walked += 1
    assert walked >= 3 * 7


async def _call(channel: grpc.aio.Channel, name: str, up: bool, down: bool, metadata: Any) -> grpc.StatusCode:
    kind = f"{'stream' if up else 'unary'}_{'stream' if down else 'unary'}"
    call = getattr(channel, kind)(name)(iter([b""]) if up else b"", metadata=metadata)
    code: grpc.StatusCode = await call.code()
    return code


async def test_health_and_reflection(channel: grpc.aio.Channel, key: Any) -> None:
    stub = health_pb2_grpc.HealthStub(channel)
    for service in ("", "framemill.v1.TranscodeService"):
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    names = {s.name for s in (await reflect(channel, key, list_services="")).list_services_response.service}
    assert "framemill.v1.TranscodeService" in names


async def test_a_job_from_create_to_retry(doors: Doors, stub: Any, key: Any) -> None:
    video = (await doors.upload())["videoId"]
    request = pb.CreateJobRequest(
        request_id=str(uuid.uuid4()), video_id=video, ladder="h264", drm="none", priority=5, labels={"a": "b"}
    )
    job, again = await asyncio.gather(stub.CreateJob(request, metadata=key), stub.CreateJob(request, metadata=key))
    assert job.job_id == again.job_id
    assert (job.video_id, job.type, job.state) == (video, "TRANSCODE", pb.JOB_STATE_QUEUED)
    assert (job.ladder, job.priority, dict(job.labels)) == ("h264", 5, {"a": "b"})
    assert (await stub.GetJob(pb.GetJobRequest(job_id=job.job_id), metadata=key)).job_id == job.job_id
    page = await stub.ListJobs(pb.ListJobsRequest(video_id=video, page_size=1), metadata=key)
    assert [found.job_id for found in page.jobs] == [job.job_id]
    rest = await stub.ListJobs(pb.ListJobsRequest(video_id=video, page_token=page.next_page_token), metadata=key)
    assert [found.type for found in rest.jobs] == ["ANALYZE"]
    assert not rest.next_page_token
    canceled = await stub.CancelJob(pb.CancelJobRequest(job_id=job.job_id), metadata=key)
    assert canceled.state == pb.JOB_STATE_CANCELED
    retried = await stub.RetryJob(pb.RetryJobRequest(job_id=job.job_id), metadata=key)
    assert (retried.retry_of, retried.state) == (job.job_id, pb.JOB_STATE_QUEUED)


async def test_watch_replays_follows_and_resumes(doors: Doors, stub: Any, key: Any) -> None:
    video = (await doors.upload())["videoId"]
    job = (await doors.transcode(video))["id"]
    call = stub.WatchJob(pb.WatchJobRequest(job_id=job), metadata=key, timeout=20)
    coming = aiter(call)
    events = [await anext(coming)]
    await stub.CancelJob(pb.CancelJobRequest(job_id=job), metadata=key)
    events += [event async for event in coming]
    assert [event.cursor for event in events] == list(range(1, len(events) + 1))
    assert events[-1].type == "job.canceled"
    assert events[-1].job.state == pb.JOB_STATE_CANCELED
    again = stub.WatchJob(pb.WatchJobRequest(job_id=job, after=1), metadata=key, timeout=20)
    assert [event.cursor async for event in again] == list(range(2, len(events) + 1))


async def test_a_watch_honours_its_deadline_and_holds_nothing_afterwards(doors: Doors, stub: Any, key: Any) -> None:
    job = (await doors.transcode((await doors.upload())["videoId"]))["id"]
    call = stub.WatchJob(pb.WatchJobRequest(job_id=job), metadata=key, timeout=0.5)
    assert (await call.read()).job.job_id == job
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call.read()
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    # The relay's listener is a connection of its own; every pooled one comes back.
    async with asyncio.timeout(5):
        while doors.platform.engine.pool.checkedout():  # type: ignore[attr-defined]  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


async def test_errors_carry_their_code(doors: Doors, stub: Any, key: Any) -> None:
    code, info, _ = await failure(stub.GetJob(pb.GetJobRequest(job_id=str(uuid.uuid4())), metadata=key))
    assert (code, info.reason) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")
    code, info, status = await failure(stub.GetJob(pb.GetJobRequest(job_id="7"), metadata=key))
    assert (code, info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "VALIDATION_ERROR")
    assert _fields(status) == ["job_id"]
    job = (await doors.transcode((await doors.upload())["videoId"]))["id"]
    code, info, _ = await failure(stub.RetryJob(pb.RetryJobRequest(job_id=job), metadata=key))
    assert (code, info.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "CONFLICT")
    code, info, _ = await failure(stub.GetJob(pb.GetJobRequest(job_id=job)))
    assert (code, info.reason) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHORIZED")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"ladder": "../../etc/passwd"}, "ladder"),
        ({"drm": "clearkey"}, "drm"),
        ({"priority": 101}, "priority"),
        ({"labels": {"": "x"}}, "labels"),
        ({"request_id": "a b"}, "request_id"),
        ({"video_id": "x"}, "video_id"),
    ],
    ids=str,
)
async def test_a_wrong_field_is_named(doors: Doors, stub: Any, key: Any, changes: Any, field: str) -> None:
    request = pb.CreateJobRequest(video_id=str(uuid.uuid4()))
    request.MergeFrom(pb.CreateJobRequest(**changes))
    code, info, status = await failure(stub.CreateJob(request, metadata=key))
    assert (code, info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "VALIDATION_ERROR")
    assert _fields(status) == [field]


def _fields(status: status_pb2.Status) -> list[str]:
    bad = error_details_pb2.BadRequest()
    assert any(detail.Unpack(bad) for detail in status.details)
    return [violation.field for violation in bad.field_violations]


async def test_a_call_has_a_request_id(stub: Any, key: Any) -> None:
    call = stub.ListJobs(pb.ListJobsRequest(), metadata=(*key, ("x-request-id", "mine-1")))
    assert dict(await call.initial_metadata())["x-request-id"] == "mine-1"
    await call
    call = stub.ListJobs(pb.ListJobsRequest(), metadata=key)
    assert uuid.UUID(dict(await call.initial_metadata())["x-request-id"])
    await call


async def test_the_client_commands(doors: Doors, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    where = ["--http", doors.http_url, "--grpc", doors.grpc_address, "--api-key", doors.api_key]

    async def run(*arguments: str) -> tuple[int, Any]:
        code = await asyncio.to_thread(main, [*arguments, "--json", *where])
        text = capfd.readouterr().out
        return code, json.loads(text) if text else None

    clip = tmp_path / "my clip.mp4"
    clip.write_bytes(small_clip())
    code, submitted = await run("submit", str(clip), "--title", "Titel")
    assert code == 0
    assert submitted["video"]["title"] == "Titel"
    job = submitted["job"]["jobId"]
    code, shown = await run("jobs", "show", job)
    assert (code, shown["state"], shown["videoId"]) == (0, "JOB_STATE_QUEUED", submitted["video"]["id"])
    code, listed = await run("jobs", "list", "--video", submitted["video"]["id"])
    assert (code, [found["type"] for found in listed["jobs"]]) == (0, ["TRANSCODE", "ANALYZE"])
    assert await asyncio.to_thread(main, ["jobs", "list", *where]) == 0
    assert f" {job} " in capfd.readouterr().out
    code, canceled = await run("jobs", "cancel", job)
    assert (code, canceled["state"]) == (0, "JOB_STATE_CANCELED")
    code, watched = await run("jobs", "watch", job)
    assert (code, watched["state"]) == (1, "JOB_STATE_CANCELED")
    code, retried = await run("jobs", "retry", job)
    assert (code, retried["retryOf"]) == (0, job)
    assert (await run("jobs", "show", str(uuid.uuid4())))[0] == 1
    clip.write_text("only text")
    assert (await run("submit", str(clip)))[0] == 3


async def test_a_malformed_message_is_an_error_after_the_key(channel: grpc.aio.Channel, key: Any) -> None:
    for method in ("GetJob", "WatchJob"):
        path = f"/framemill.v1.TranscodeService/{method}"
        kind = channel.unary_stream if method == "WatchJob" else channel.unary_unary
        for metadata, code in (((), "UNAUTHORIZED"), (key, "VALIDATION_ERROR")):
            call = kind(path)(b"\xff\xff\xff", metadata=metadata)
            _, info, _ = await failure(call.read() if method == "WatchJob" else call)
            assert info.reason == code
