"""The one interceptor of the server: who asks, what failed, and under which request id.

Every method is closed unless it is in `OPEN`: a service that is added later needs a key without anybody thinking
of it. Health is open, because a load balancer has no key.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from contextvars import ContextVar
from typing import Any, Protocol

import grpc
import structlog
from google.protobuf.message import DecodeError

from control_plane.rpc.statuses import DETAILS_KEY, rich_status, status_code
from control_plane.service.errors import UnauthorizedError
from control_plane.service.faults import fault
from control_plane.service.views import Principal
from transcoder.errors import FramemillError, InvalidInputError

__all__ = ["OPEN", "Authenticator", "DoorInterceptor", "current_principal"]

OPEN = "/grpc.health.v1.Health/"
"""Methods whose full name begins with this answer without a key."""

REQUEST_ID_KEY = "x-request-id"

_principal: ContextVar[Principal] = ContextVar("framemill_rpc_principal")
_log = structlog.get_logger("framemill.grpc")


class Authenticator(Protocol):
    """Knows whose key it is."""

    async def authenticate(self, api_key: str) -> Principal:
        """The key's owner. Errors: UnauthorizedError."""
        ...


def current_principal() -> Principal:
    """Who makes the call that is being answered."""
    return _principal.get()


def _api_key(metadata: dict[str, Any]) -> str:
    authorization = metadata.get("authorization")
    if isinstance(authorization, str):
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() == "bearer" and key.strip():
            return key.strip()
    other = metadata.get("x-api-key")
    if isinstance(other, str) and other:
        return other
    raise UnauthorizedError("an API key is needed: metadata `authorization: Bearer KEY` or `x-api-key: KEY`")


def _request_id(metadata: dict[str, Any]) -> str:
    given = metadata.get(REQUEST_ID_KEY)
    if isinstance(given, str) and 0 < len(given) <= 128 and given.isascii() and given.isprintable():
        return given
    return str(uuid.uuid4())


class DoorInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]
    """Authenticates each call, gives it a request id, and turns errors into google.rpc.Status."""

    def __init__(self, access: Authenticator) -> None:
        self._access = access

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any]]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any]:
        """Wrap the handler, of whatever kind it is; an unknown method stays gRPC's UNIMPLEMENTED."""
        found = await continuation(handler_call_details)
        method: str = handler_call_details.method
        if found is None or method.startswith(OPEN):
            return found
        handler: Any = found
        shapes = {
            (False, False): ("unary_unary", grpc.unary_unary_rpc_method_handler),
            (False, True): ("unary_stream", grpc.unary_stream_rpc_method_handler),
            (True, False): ("stream_unary", grpc.stream_unary_rpc_method_handler),
            (True, True): ("stream_stream", grpc.stream_stream_rpc_method_handler),
        }
        name, make = shapes[handler.request_streaming, handler.response_streaming]
        behavior = getattr(handler, name)
        wrapped = self._stream(method, behavior) if handler.response_streaming else self._unary(method, behavior)
        parse = handler.request_deserializer
        return make(
            wrapped,
            request_deserializer=parse if handler.request_streaming else _later(parse),
            response_serializer=handler.response_serializer,
        )

    def _unary(self, method: str, behavior: Callable[[Any, Any], Awaitable[Any]]) -> Callable[..., Any]:
        async def call(request: Any, context: Any) -> Any:
            started = time.monotonic()
            request_id = await _begin(context)
            try:
                await self._authenticate(context)
                return await behavior(_whole(request), context)
            except grpc.aio.AbortError:
                raise
            except Exception as error:
                await _abort(context, fault(error), request_id)
            finally:
                _log.info("grpc call", method=method, seconds=round(time.monotonic() - started, 4))

        return call

    def _stream(self, method: str, behavior: Callable[[Any, Any], AsyncGenerator[Any, None]]) -> Callable[..., Any]:
        async def call(request: Any, context: Any) -> AsyncIterator[Any]:
            started = time.monotonic()
            request_id = await _begin(context)
            try:
                await self._authenticate(context)
                # Closed here and now, not when the garbage collector comes by: a watch holds resources.
                async with aclosing(behavior(_whole(request), context)) as responses:
                    async for response in responses:
                        yield response
            except grpc.aio.AbortError:
                raise
            except Exception as error:
                await _abort(context, fault(error), request_id)
            finally:
                _log.info("grpc call", method=method, seconds=round(time.monotonic() - started, 4))

        return call

    async def _authenticate(self, context: Any) -> None:
        principal = await self._access.authenticate(_api_key(dict(context.invocation_metadata() or ())))
        structlog.contextvars.bind_contextvars(userId=str(principal.owner_id))
        _principal.set(principal)


def _later(parse: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """A parser that does not fail: who asks comes first, and a malformed message is an error like any other."""

    def attempt(data: bytes) -> Any:
        try:
            return parse(data)
        except DecodeError as error:
            return error

    return attempt


def _whole(request: Any) -> Any:
    """The request. Errors: InvalidInputError where it could not be parsed."""
    if isinstance(request, DecodeError):
        raise InvalidInputError("the request message is malformed")
    return request


async def _begin(context: Any) -> str:
    request_id = _request_id(dict(context.invocation_metadata() or ()))
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(requestId=request_id)
    await context.send_initial_metadata(((REQUEST_ID_KEY, request_id),))
    return request_id


async def _abort(context: Any, error: FramemillError, request_id: str) -> None:
    status = rich_status(error, request_id=request_id)
    await context.abort(status_code(error.code), error.message, ((DETAILS_KEY, status.SerializeToString()),))
