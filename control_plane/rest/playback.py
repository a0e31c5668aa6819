"""Playback: where the streams are, and the streams themselves."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request, Response

from control_plane.rest.bodies import PlaybackBody
from control_plane.rest.caller import Caller, ServicesOf, StoreOf
from control_plane.rest.delivery import deliver
from transcoder.errors import NotFoundError

__all__ = ["router"]

router = APIRouter(tags=["playback"])

_BY_TOKEN = "/v1/playback/{token}/{package_id}/{path:path}"  # noqa: S105 - a path template
FOLDERS = ("hls", "dash", "cmaf", "text", "thumbnails")


@router.get("/v1/videos/{video_id}/playback")
async def get_playback(video_id: UUID, caller: Caller, services: ServicesOf) -> PlaybackBody:
    """URLs that play the video without another credential until they expire."""
    return PlaybackBody.of(await services.playback.playback(caller, video_id))


@router.get(_BY_TOKEN, response_class=Response)
@router.head(_BY_TOKEN, include_in_schema=False)
async def published_by_token(
    token: str, package_id: str, path: str, request: Request, services: ServicesOf, store: StoreOf
) -> Response:
    """A manifest, segment or picture of a package, by the token in the path."""
    try:
        package = UUID(package_id)
    except ValueError:
        raise NotFoundError("there is no such package") from None
    return await deliver(request, store, await services.playback.resolve(token, package, path))


@router.options(_BY_TOKEN, include_in_schema=False)
async def preflight() -> Response:
    """Any web page may play: the door adds the CORS headers."""
    return Response(status_code=204, headers={"Allow": "GET, HEAD, OPTIONS"})


async def published_to_owner(
    video_id: UUID, path: str, request: Request, caller: Caller, services: ServicesOf, store: StoreOf
) -> Response:
    """A manifest, segment or picture of the caller's own video."""
    folder = request.url.path.split("/")[4]
    key = await services.playback.resolve_owned(caller, video_id, f"{folder}/{path}")
    return await deliver(request, store, key)


for _folder in FOLDERS:
    for _method in ("GET", "HEAD"):
        router.add_api_route(
            f"/v1/videos/{{video_id}}/{_folder}/{{path:path}}",
            published_to_owner,
            methods=[_method],
            response_class=Response,
            name=f"{_folder}_to_owner",
            include_in_schema=_method == "GET",
        )
