"""The outermost layer of the HTTP door: request id, who asks, body limit, metrics, and what a crash answers.

Every path is closed unless it is in `is_open`: a route that is added later needs a key without anybody thinking of
it. The key is checked before a byte of the body is read.
"""

from __future__ import annotations

import time
import uuid
from typing import Any, Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from control_plane.rest.failures import error_response
from control_plane.rest.metrics import Metrics
from control_plane.service.access import AccessService
from control_plane.service.errors import PayloadTooLargeError, UnauthorizedError
from control_plane.service.faults import fault
from transcoder.errors import FramemillError

__all__ = ["PLAYBACK_PREFIX", "UPLOAD_PATH", "Door", "is_open"]

PLAYBACK_PREFIX: Final = "/v1/playback/"
"""Below this the token in the path is the credential, and any web page may play."""

UPLOAD_PATH: Final = "/v1/videos"
"""The one path whose POST takes a large body; it has a limit of its own."""

MAX_BODY_BYTES: Final = 1024 * 1024
_CORS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
    "Access-Control-Allow-Headers": "Range, If-None-Match, If-Range",
    "Access-Control-Expose-Headers": "Content-Length, Content-Range, ETag, Date, X-Request-Id",
    "Access-Control-Max-Age": "86400",
}

_log = structlog.get_logger("framemill.http")


def is_open(path: str) -> bool:
    """Whether a path answers without an API key."""
    return path == "/health" or path.startswith(PLAYBACK_PREFIX)


class Door:
    """ASGI middleware around the whole app."""

    def __init__(self, app: ASGIApp, *, access: AccessService, metrics: Metrics) -> None:
        self._app = app
        self._access = access
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await _Exchange(self._app, self._access, self._metrics, scope, receive, send).run()
        else:  # there are no WebSocket routes: refuse the handshake
            await send({"type": "websocket.close", "code": 1008})


class _Exchange:
    """One request and its answer."""

    def __init__(
        self, app: ASGIApp, access: AccessService, metrics: Metrics, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self._app = app
        self._access = access
        self._metrics = metrics
        self._scope = scope
        self._receive = receive
        self._send = send
        self._headers = Headers(scope=scope)
        self._request_id = _request_id(self._headers)
        self._status = 0
        self._body_bytes = 0
        self._limited = not (scope["method"] == "POST" and scope["path"] == UPLOAD_PATH)

    async def run(self) -> None:
        started = time.monotonic()
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(requestId=self._request_id)
        try:
            await self._answer()
        except ClientDisconnect:
            _log.info("the client went away")
        except Exception as error:
            if self._status:  # too late for another answer: the broken connection tells the client
                fault(error)
            else:
                await error_response(fault(error))(self._scope, self._receive, self._sending)
        finally:
            seconds = time.monotonic() - started
            route = getattr(self._scope.get("route"), "path", "unmatched")
            self._metrics.request(self._scope["method"], route, self._status, seconds)
            # The route's template, not the path: a playback path carries a token.
            _log.info(
                "http request", method=self._scope["method"], route=route, status=self._status,
                seconds=round(seconds, 4),
            )  # fmt: skip

    async def _answer(self) -> None:
        path = self._scope["path"]
        if not is_open(path):
            principal = await self._access.authenticate(_api_key(self._headers))
            structlog.contextvars.bind_contextvars(userId=str(principal.owner_id))
            self._scope.setdefault("state", {})["principal"] = principal
        length = self._headers.get("content-length", "")
        if self._limited and length.isdigit() and int(length) > MAX_BODY_BYTES:
            raise _too_large()
        await self._app(self._scope, self._receiving, self._sending)

    async def _receiving(self) -> Message:
        message = await self._receive()
        if self._limited and message["type"] == "http.request":
            self._body_bytes += len(message.get("body", b""))
            if self._body_bytes > MAX_BODY_BYTES:
                # The framework lets only its own exception through from where a body is read.
                raise HTTPException(413)
        return message

    async def _sending(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = self._request_id
            if self._scope["path"].startswith(PLAYBACK_PREFIX):
                headers.update(_CORS)
        await self._send(message)


def _too_large() -> FramemillError:
    return PayloadTooLargeError("the request body is too large", {"limitBytes": MAX_BODY_BYTES})


def _request_id(headers: Headers) -> str:
    """The caller's own request id if it is a sane one, else a new one."""
    given: Any = headers.get("x-request-id", "")
    if 0 < len(given) <= 128 and given.isascii() and given.isprintable():
        return str(given)
    return str(uuid.uuid4())


def _api_key(headers: Headers) -> str:
    scheme, _, key = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and key.strip():
        return key.strip()
    key = headers.get("x-api-key", "").strip()
    if key:
        return key
    raise UnauthorizedError("an API key is needed: `Authorization: Bearer KEY` or `X-API-Key: KEY`")
