"""The error hierarchy of Framemill: one tree, stable codes, safe to pickle and safe to show.

    FramemillError
    ├── InvalidInputError        VALIDATION_ERROR       the request is wrong; the caller can mend it
    ├── UnsupportedMediaError    UNSUPPORTED_MEDIA      the source cannot be used; the reason says why
    ├── NotFoundError            NOT_FOUND
    ├── AlreadyExistsError       ALREADY_EXISTS         an atomic create lost against an earlier one
    ├── ConflictError            CONFLICT               the state does not allow this now
    ├── CanceledError            CANCELED               the job was canceled by request
    ├── LeaseLostError           LEASE_LOST             another dispatcher owns this job now
    ├── ResourceMissingError     RESOURCE_MISSING       a service or a lane that is required is not there
    ├── VerificationError        VERIFICATION_FAILED    the output is not what was planned
    ├── StorageError             STORAGE_ERROR          retryable
    ├── WorkerCrashedError       WORKER_CRASHED         retryable
    ├── TaskTimeoutError         TASK_TIMEOUT           retryable
    ├── MemoryExceededError      MEMORY_EXCEEDED        retryable
    └── InternalError            INTERNAL               a bug; details stay in the log under an error id

Whether a failure may be retried is a property of the error, never of the place that catches it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

__all__ = [
    "AlreadyExistsError",
    "CanceledError",
    "ConflictError",
    "FramemillError",
    "InternalError",
    "InvalidInputError",
    "LeaseLostError",
    "MemoryExceededError",
    "NotFoundError",
    "ResourceMissingError",
    "StorageError",
    "TaskTimeoutError",
    "UnsupportedMediaError",
    "VerificationError",
    "WorkerCrashedError",
    "error_from_code",
]


class FramemillError(Exception):
    """Base of every error that crosses a module boundary.

    `message` is safe to show to the person who asked; `details` is a small JSON object for machines.
    """

    code: ClassVar[str] = "INTERNAL"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details: dict[str, Any] = dict(details or {})

    def __reduce__(self) -> tuple[type[FramemillError], tuple[str, dict[str, Any]]]:
        # Ray pickles exceptions; spelled out so that a subclass cannot lose its details on the way.
        return type(self), (self.message, self.details)


class InvalidInputError(FramemillError):
    """The request itself is wrong: a field, a ladder file, a cursor."""

    code = "VALIDATION_ERROR"


class UnsupportedMediaError(FramemillError):
    """The source cannot be turned into a stream: not a video, cut off, encrypted, over a limit."""

    code = "UNSUPPORTED_MEDIA"


class NotFoundError(FramemillError):
    """There is no such thing, or it belongs to somebody else: both look the same."""

    code = "NOT_FOUND"


class AlreadyExistsError(FramemillError):
    """An atomic create found the name taken; what is there stays untouched."""

    code = "ALREADY_EXISTS"


class ConflictError(FramemillError):
    """The state of the thing does not allow this request now."""

    code = "CONFLICT"


class CanceledError(FramemillError):
    """The job was canceled by request."""

    code = "CANCELED"


class LeaseLostError(FramemillError):
    """A write carried an epoch that is no longer the newest: another dispatcher took the job over."""

    code = "LEASE_LOST"


class ResourceMissingError(FramemillError):
    """A service, a tool or a lane that the request requires is not there."""

    code = "RESOURCE_MISSING"


class VerificationError(FramemillError):
    """The output is not what was planned; `details` says where."""

    code = "VERIFICATION_FAILED"


class StorageError(FramemillError):
    """The object store failed in a way that may pass."""

    code = "STORAGE_ERROR"
    retryable = True


class WorkerCrashedError(FramemillError):
    """The process that ran the task died under it."""

    code = "WORKER_CRASHED"
    retryable = True


class TaskTimeoutError(FramemillError):
    """The task ran past its wall clock."""

    code = "TASK_TIMEOUT"
    retryable = True


class MemoryExceededError(FramemillError):
    """The task wanted more memory than it may have. Another process may need less: what an earlier task left of
    its heap counts too."""

    code = "MEMORY_EXCEEDED"
    retryable = True


class InternalError(FramemillError):
    """Anything unexpected: the log has the cause under `details["errorId"]`."""

    code = "INTERNAL"


_BY_CODE: dict[str, type[FramemillError]] = {
    cls.code: cls
    for cls in (
        InvalidInputError,
        UnsupportedMediaError,
        NotFoundError,
        AlreadyExistsError,
        ConflictError,
        CanceledError,
        LeaseLostError,
        ResourceMissingError,
        VerificationError,
        StorageError,
        WorkerCrashedError,
        TaskTimeoutError,
        MemoryExceededError,
        InternalError,
    )
}


def error_from_code(code: str, message: str, details: Mapping[str, Any] | None = None) -> FramemillError:
    """Rebuild a stored error (a job's, a video's) from its code; an unknown code becomes INTERNAL."""
    return _BY_CODE.get(code, InternalError)(message, details)
