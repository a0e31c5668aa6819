"""Videos: upload, list, look up.

Order of an upload's writes: the temporary file, the object under `sources/`, then the rows and the event in one
transaction. So a row never points at bytes that are not there; a crash in between leaves only an object that
nothing refers to.
"""

from __future__ import annotations

import asyncio
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Annotated
from uuid import UUID

import structlog
from fastapi import APIRouter, Query, Request, Response

from cluster.ports import ObjectStore
from control_plane.rest.bodies import CreatedVideoBody, VideoBody, VideoListBody
from control_plane.rest.caller import Caller, ServicesOf, StoreOf
from control_plane.rest.door import UPLOAD_PATH
from control_plane.rest.metrics import Metrics
from control_plane.rest.upload import ReceivedUpload, receive_upload
from control_plane.service.catalog import Services
from control_plane.service.errors import PayloadTooLargeError
from control_plane.service.requests import check_page_size
from control_plane.service.views import JobView, Principal, UploadedSource, VideoView
from transcoder.errors import FramemillError

__all__ = ["router"]

router = APIRouter(tags=["videos"])

_FORM_BYTES = 64 * 1024  # what the form may weigh beside the file
_UPLOAD_SCHEMA = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "title": {"type": "string", "maxLength": 200},
                    },
                }
            }
        },
    }
}


@router.post(UPLOAD_PATH, status_code=201, openapi_extra=_UPLOAD_SCHEMA)
async def upload_video(
    request: Request, response: Response, caller: Caller, services: ServicesOf, store: StoreOf
) -> CreatedVideoBody:
    """Upload a video as multipart/form-data with the parts `file` and, if wanted, `title`."""
    limit: int = request.app.state.settings.max_upload_bytes
    metrics: Metrics = request.app.state.metrics
    folder: Path = request.app.state.upload_folder
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limit + _FORM_BYTES:
        raise PayloadTooLargeError("the file is larger than the limit", {"limitBytes": limit})
    content_type = request.headers.get("content-type", "")
    async with receive_upload(
        request.stream(), content_type, folder=folder, limit=limit, arrived=metrics.uploaded
    ) as upload:
        video, job = await _keep(caller, services, store, upload)
    response.headers["Location"] = f"{UPLOAD_PATH}/{video.id}"
    return CreatedVideoBody(video_id=video.id, analyze_job_id=job.id, video=VideoBody.of(video))


async def _keep(
    caller: Principal, services: Services, store: ObjectStore, upload: ReceivedUpload
) -> tuple[VideoView, JobView]:
    video_id = uuid.uuid4()
    structlog.contextvars.bind_contextvars(videoId=str(video_id))
    key = f"sources/{caller.owner_id}/{video_id}/{uuid.uuid4()}"
    await asyncio.to_thread(store.create, key, upload.path)
    source = UploadedSource(
        key=key, name=upload.name, size_bytes=upload.size_bytes, sha256=upload.sha256,
        content_type=upload.content_type,
    )  # fmt: skip
    try:
        return await services.videos.create(caller, video_id=video_id, title=upload.title, source=source)
    except FramemillError:
        # The service refused: nothing was written. After any other failure the commit may have happened
        # unseen, and then the bytes must stay.
        with suppress(FramemillError):
            await asyncio.to_thread(store.delete, key)
        raise


@router.get("/v1/videos")
async def list_videos(
    caller: Caller,
    services: ServicesOf,
    page_size: Annotated[int, Query(alias="pageSize")] = 0,
    page_token: Annotated[str, Query(alias="pageToken", max_length=1024)] = "",
) -> VideoListBody:
    """The caller's videos, newest first."""
    page = await services.videos.list(caller, page_size=check_page_size(page_size), page_token=page_token)
    return VideoListBody(videos=[VideoBody.of(view) for view in page.items], next_page_token=page.next_token)


@router.get("/v1/videos/{video_id}")
async def get_video(video_id: UUID, caller: Caller, services: ServicesOf) -> VideoBody:
    """One video."""
    return VideoBody.of(await services.videos.get(caller, video_id))
