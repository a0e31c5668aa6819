"""Jobs: start, list, look up, follow, cancel, retry."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

import structlog
from fastapi import APIRouter, Header, Query, Request, Response
from sse_starlette import EventSourceResponse, ServerSentEvent

from control_plane.rest.bodies import EventBody, JobBody, JobListBody, TranscodeBody
from control_plane.rest.caller import Caller, ServicesOf
from control_plane.service.requests import (
    check_labels,
    check_page_size,
    check_priority,
    check_request_id,
    job_request,
)
from control_plane.service.views import JobEvent
from transcoder.errors import InvalidInputError

__all__ = ["router"]

router = APIRouter(tags=["jobs"])

_KEEP_ALIVE_SECONDS = 15


@router.post("/v1/videos/{video_id}/transcodes", status_code=202)
async def create_transcode(
    video_id: UUID,
    response: Response,
    caller: Caller,
    services: ServicesOf,
    body: TranscodeBody | None = None,
    idempotency_key: Annotated[str, Header()] = "",
) -> JobBody:
    """Start a transcode, or give the job that the same request started.

    The `Idempotency-Key` header is another way to give `requestId`; if both come, they must be the same.
    """
    structlog.contextvars.bind_contextvars(videoId=str(video_id))
    asked = body or TranscodeBody()
    if asked.request_id and idempotency_key and asked.request_id != idempotency_key:
        reason = "differs from the Idempotency-Key header"
        raise InvalidInputError(f"requestId: {reason}", {"fields": {"requestId": reason}})
    job, _ = await services.jobs.create_transcode(
        caller,
        video_id,
        request=job_request(ladder=asked.ladder, drm=asked.drm),
        priority=check_priority(asked.priority),
        labels=check_labels(asked.labels),
        request_id=check_request_id(asked.request_id or idempotency_key),
    )
    structlog.contextvars.bind_contextvars(jobId=str(job.id))
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return JobBody.of(job)


@router.get("/v1/jobs")
async def list_jobs(
    caller: Caller,
    services: ServicesOf,
    video_id: Annotated[UUID | None, Query(alias="videoId")] = None,
    page_size: Annotated[int, Query(alias="pageSize")] = 0,
    page_token: Annotated[str, Query(alias="pageToken", max_length=1024)] = "",
) -> JobListBody:
    """The caller's jobs, newest first."""
    page = await services.jobs.list(
        caller, video_id=video_id, page_size=check_page_size(page_size), page_token=page_token
    )
    return JobListBody(jobs=[JobBody.of(view) for view in page.items], next_page_token=page.next_token)


@router.get("/v1/jobs/{job_id}")
async def get_job(job_id: UUID, caller: Caller, services: ServicesOf) -> JobBody:
    """One job."""
    return JobBody.of(await services.jobs.get(caller, job_id))


@router.get("/v1/jobs/{job_id}/events", response_class=EventSourceResponse)
async def job_events(
    job_id: UUID,
    request: Request,
    caller: Caller,
    services: ServicesOf,
    last_event_id: Annotated[str, Header()] = "",
) -> Response:
    """The job's events as Server-Sent Events; `Last-Event-ID` resumes after that one.

    The stream ends after the event that ends the job, and when the server stops.
    """
    after = _cursor(last_event_id)
    structlog.contextvars.bind_contextvars(jobId=str(job_id))
    await services.jobs.get(caller, job_id)  # an unknown job is a 404, not a stream that fails
    events = services.jobs.events(caller, job_id, after=after)
    stopping: asyncio.Event = request.app.state.stopping
    return EventSourceResponse(_messages(events, stopping), ping=_KEEP_ALIVE_SECONDS, sep="\n")


@router.post("/v1/jobs/{job_id}/cancel")
async def cancel_job(job_id: UUID, caller: Caller, services: ServicesOf) -> JobBody:
    """Ask for a job to be canceled: a queued one is at once, a running one within seconds."""
    return JobBody.of(await services.jobs.cancel(caller, job_id))


@router.post("/v1/jobs/{job_id}/retry", status_code=202)
async def retry_job(job_id: UUID, response: Response, caller: Caller, services: ServicesOf) -> JobBody:
    """Start a new job in the place of one that failed or was canceled; committed tasks are adopted."""
    job = await services.jobs.retry(caller, job_id)
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return JobBody.of(job)


def _cursor(last_event_id: str) -> int:
    if not last_event_id:
        return 0
    if not last_event_id.isascii() or not last_event_id.isdigit() or len(last_event_id) > 18:
        reason = "must be the id of an event of this stream"
        raise InvalidInputError(f"Last-Event-ID: {reason}", {"fields": {"Last-Event-ID": reason}})
    return int(last_event_id)


async def _messages(events: AsyncIterator[JobEvent], stopping: asyncio.Event) -> AsyncIterator[ServerSentEvent]:
    """The events on the wire, until they end or the server stops."""
    stopped = asyncio.ensure_future(stopping.wait())
    coming: asyncio.Future[JobEvent] | None = None
    source: Any = events
    try:
        while True:
            coming = asyncio.ensure_future(anext(source))
            await asyncio.wait((coming, stopped), return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                return
            try:
                event = coming.result()
            except StopAsyncIteration:
                return
            data = EventBody.of(event).model_dump_json()
            yield ServerSentEvent(data=data, event=event.type, id=str(event.seq))
    finally:
        for waiting in (stopped, coming):
            if waiting is not None and not waiting.done():
                waiting.cancel()
                await asyncio.wait((waiting,))
        await source.aclose()
