"""What an unexpected exception means to a caller: one rule for both doors.

A database or an event store that does not answer is UNAVAILABLE and may be retried. Anything else is a bug: its
cause goes to the log under an error id, and the id is all that a caller sees.
"""

from __future__ import annotations

import uuid

import redis.exceptions
import sqlalchemy.exc
import structlog

from control_plane.service.errors import UnavailableError
from transcoder.errors import FramemillError, InternalError

__all__ = ["fault"]

_log = structlog.get_logger("framemill.fault")

_OUTAGES = (
    ConnectionError,
    TimeoutError,
    redis.exceptions.ConnectionError,
    redis.exceptions.TimeoutError,
    sqlalchemy.exc.InterfaceError,
    sqlalchemy.exc.OperationalError,
    sqlalchemy.exc.TimeoutError,
)


def fault(error: Exception) -> FramemillError:
    """The error to show for any exception; logs the cause of everything that is not a FramemillError."""
    if isinstance(error, FramemillError):
        return error
    if isinstance(error, _OUTAGES):
        _log.warning("a service does not answer", exc_info=error)
        return UnavailableError("a service that this request needs does not answer; try again later")
    error_id = str(uuid.uuid4())
    _log.error("internal error", errorId=error_id, exc_info=error)
    return InternalError("an internal error occurred", {"errorId": error_id})
