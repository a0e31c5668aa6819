"""Errors as google.rpc.Status (AIP-193), built and read in one place: the server writes them, the CLI reads them."""

from __future__ import annotations

import re
from typing import Any

import grpc
from google.protobuf import any_pb2
from google.protobuf.json_format import MessageToDict
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

from control_plane.service.errors import STATUS, UnauthorizedError, UnavailableError, error_for_code
from transcoder.errors import FramemillError, InternalError

__all__ = ["DETAILS_KEY", "DOMAIN", "error_of_call", "rich_status", "status_code"]

DOMAIN = "framemill"
DETAILS_KEY = "grpc-status-details-bin"

# What a client makes of a status that carries no ErrorInfo: it comes from the transport, not from us.
_TRANSPORT = {
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    grpc.StatusCode.DEADLINE_EXCEEDED: UnavailableError,
    grpc.StatusCode.UNAUTHENTICATED: UnauthorizedError,
}


def status_code(code: str) -> grpc.StatusCode:
    """The gRPC status of an error code; an unknown code is INTERNAL."""
    return grpc.StatusCode[STATUS.get(code, STATUS["INTERNAL"]).grpc]


def _snake_case(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


def _packed(message: Any) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


def rich_status(error: FramemillError, *, request_id: str = "") -> status_pb2.Status:
    """The error with its ErrorInfo, the request's id, and a BadRequest where fields are wrong.

    Values of `details` that are plain go into the ErrorInfo's metadata, as AIP-193 wants them: strings.
    """
    metadata = {key: str(value) for key, value in error.details.items() if isinstance(value, str | int | float | bool)}
    details = [_packed(error_details_pb2.ErrorInfo(reason=error.code, domain=DOMAIN, metadata=metadata))]
    if request_id:
        details.append(_packed(error_details_pb2.RequestInfo(request_id=request_id)))
    fields = error.details.get("fields")
    if isinstance(fields, dict):
        violations = [
            error_details_pb2.BadRequest.FieldViolation(field=_snake_case(str(name)), description=str(reason))
            for name, reason in fields.items()
        ]
        details.append(_packed(error_details_pb2.BadRequest(field_violations=violations)))
    return status_pb2.Status(code=status_code(error.code).value[0], message=error.message, details=details)


def error_of_call(call: grpc.RpcError) -> FramemillError:
    """What a failed call says, as the error it was on the server."""
    code = call.code() if isinstance(call, grpc.Call) else grpc.StatusCode.UNKNOWN
    text = (call.details() if isinstance(call, grpc.Call) else None) or code.name
    trailing: dict[str, Any] = dict(call.trailing_metadata() or ()) if isinstance(call, grpc.Call) else {}
    raw = trailing.get(DETAILS_KEY)
    if isinstance(raw, bytes):
        for detail in status_pb2.Status.FromString(raw).details:
            info = error_details_pb2.ErrorInfo()
            if detail.Unpack(info) and info.domain == DOMAIN:
                return error_for_code(info.reason, text, MessageToDict(info).get("metadata", {}))
    return _TRANSPORT.get(code, InternalError)(f"the server cannot be reached: {text}" if code in _TRANSPORT else text)
