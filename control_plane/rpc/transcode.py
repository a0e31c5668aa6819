# ruff: noqa: ARG002 - every method is called with a context
"""framemill.v1.TranscodeService over the job service. No decisions here: parse, ask, convert."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import structlog

from control_plane.pb.framemill.v1 import transcode_pb2 as pb
from control_plane.pb.framemill.v1 import transcode_pb2_grpc as pb_grpc
from control_plane.rpc.interceptor import current_principal
from control_plane.rpc.messages import event_message, job_message
from control_plane.service.jobs import JobService
from control_plane.service.requests import (
    check_labels,
    check_page_size,
    check_priority,
    check_request_id,
    job_request,
    parse_id,
)
from transcoder.errors import InvalidInputError

__all__ = ["TranscodeServicer"]


class TranscodeServicer(pb_grpc.TranscodeServiceServicer):
    """Answers the calls. Errors leave as FramemillError; the interceptor translates them."""

    def __init__(self, jobs: JobService) -> None:
        self._jobs = jobs

    async def CreateJob(self, request: pb.CreateJobRequest, context: Any) -> pb.Job:
        """Start a job, or give the one that the same request started."""
        video_id = parse_id(request.video_id, "videoId")
        structlog.contextvars.bind_contextvars(videoId=str(video_id))
        job, _ = await self._jobs.create_transcode(
            current_principal(),
            video_id,
            request=job_request(ladder=request.ladder, drm=request.drm),
            priority=check_priority(request.priority),
            labels=check_labels(request.labels),
            request_id=check_request_id(request.request_id),
        )
        return job_message(job)

    async def GetJob(self, request: pb.GetJobRequest, context: Any) -> pb.Job:
        """One job."""
        return job_message(await self._jobs.get(current_principal(), _job_id(request.job_id)))

    async def ListJobs(self, request: pb.ListJobsRequest, context: Any) -> pb.ListJobsResponse:
        """A page of jobs."""
        page = await self._jobs.list(
            current_principal(),
            video_id=parse_id(request.video_id, "videoId") if request.video_id else None,
            page_size=check_page_size(request.page_size),
            page_token=request.page_token,
        )
        return pb.ListJobsResponse(jobs=[job_message(job) for job in page.items], next_page_token=page.next_token)

    async def WatchJob(self, request: pb.WatchJobRequest, context: Any) -> AsyncIterator[pb.WatchJobResponse]:
        """Events from a cursor on. A cancelled or expired call closes the iterator and what it holds."""
        if request.after < 0:
            raise InvalidInputError("after: must not be negative", {"fields": {"after": "must not be negative"}})
        events: Any = self._jobs.events(current_principal(), _job_id(request.job_id), after=request.after)
        async with aclosing(events):
            async for event in events:
                yield event_message(event)

    async def CancelJob(self, request: pb.CancelJobRequest, context: Any) -> pb.Job:
        """Ask for a job to be canceled."""
        return job_message(await self._jobs.cancel(current_principal(), _job_id(request.job_id)))

    async def RetryJob(self, request: pb.RetryJobRequest, context: Any) -> pb.Job:
        """Start a new job in the place of a failed one."""
        return job_message(await self._jobs.retry(current_principal(), _job_id(request.job_id)))


def _job_id(value: str) -> Any:
    job_id = parse_id(value, "jobId")
    structlog.contextvars.bind_contextvars(jobId=str(job_id))
    return job_id
