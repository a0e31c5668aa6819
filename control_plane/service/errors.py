"""Errors of the doors, and the one table that maps every code to an HTTP and a gRPC status.

Only the FastAPI handlers and the gRPC interceptor translate, and both read this table, so that one fault has
one code on both doors. gRPC statuses are named, not imported: this module is shared by code that has no gRPC.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from transcoder.errors import FramemillError, error_from_code

__all__ = [
    "STATUS",
    "ForbiddenError",
    "MethodNotAllowedError",
    "PayloadTooLargeError",
    "RangeNotSatisfiableError",
    "Status",
    "UnauthorizedError",
    "UnavailableError",
    "error_for_code",
]


class UnauthorizedError(FramemillError):
    """No valid credential came with the request."""

    code = "UNAUTHORIZED"


class ForbiddenError(FramemillError):
    """The credential is valid and may not do this."""

    code = "FORBIDDEN"


class MethodNotAllowedError(FramemillError):
    """The path exists, the HTTP method does not."""

    code = "METHOD_NOT_ALLOWED"


class PayloadTooLargeError(FramemillError):
    """The upload is larger than the limit."""

    code = "PAYLOAD_TOO_LARGE"


class RangeNotSatisfiableError(FramemillError):
    """The byte range lies outside the object (RFC 9110, 15.5.17)."""

    code = "RANGE_NOT_SATISFIABLE"


class UnavailableError(FramemillError):
    """A service this request needs does not answer now."""

    code = "UNAVAILABLE"
    retryable = True


class Status(NamedTuple):
    """HTTP status and the name of the gRPC status of one error code."""

    http: int
    grpc: str


STATUS: Final[dict[str, Status]] = {
    "VALIDATION_ERROR": Status(400, "INVALID_ARGUMENT"),
    "UNAUTHORIZED": Status(401, "UNAUTHENTICATED"),
    "FORBIDDEN": Status(403, "PERMISSION_DENIED"),
    "NOT_FOUND": Status(404, "NOT_FOUND"),
    "METHOD_NOT_ALLOWED": Status(405, "UNIMPLEMENTED"),
    "CONFLICT": Status(409, "FAILED_PRECONDITION"),
    "ALREADY_EXISTS": Status(409, "ALREADY_EXISTS"),
    "CANCELED": Status(409, "FAILED_PRECONDITION"),
    "LEASE_LOST": Status(409, "ABORTED"),
    "PAYLOAD_TOO_LARGE": Status(413, "OUT_OF_RANGE"),
    "UNSUPPORTED_MEDIA": Status(415, "INVALID_ARGUMENT"),
    "RANGE_NOT_SATISFIABLE": Status(416, "OUT_OF_RANGE"),
    "INTERNAL": Status(500, "INTERNAL"),
    "VERIFICATION_FAILED": Status(500, "DATA_LOSS"),
    "WORKER_CRASHED": Status(503, "UNAVAILABLE"),
    "TASK_TIMEOUT": Status(503, "UNAVAILABLE"),
    "MEMORY_EXCEEDED": Status(503, "UNAVAILABLE"),
    "STORAGE_ERROR": Status(503, "UNAVAILABLE"),
    "RESOURCE_MISSING": Status(503, "UNAVAILABLE"),
    "UNAVAILABLE": Status(503, "UNAVAILABLE"),
}


_OF_THE_DOORS: Final[dict[str, type[FramemillError]]] = {
    cls.code: cls
    for cls in (
        UnauthorizedError,
        ForbiddenError,
        MethodNotAllowedError,
        PayloadTooLargeError,
        RangeNotSatisfiableError,
        UnavailableError,
    )
}


def error_for_code(code: str, message: str, details: Mapping[str, Any] | None = None) -> FramemillError:
    """The error that a server answered with, rebuilt by a client; an unknown code becomes INTERNAL."""
    cls = _OF_THE_DOORS.get(code)
    return error_from_code(code, message, details) if cls is None else cls(message, details)
