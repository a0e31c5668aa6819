"""The checks of what a caller asks for, shared by both doors, so that one mistake has one answer on both.

Field names in errors are those of the JSON API (camelCase); the gRPC door spells them its own way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from uuid import UUID

from cluster.documents import JobRequest
from control_plane.db.engine import storable
from transcoder.errors import InvalidInputError
from transcoder.ladder import BUILT_IN

__all__ = [
    "DEFAULT_PAGE_SIZE",
    "MAX_PAGE_SIZE",
    "check_labels",
    "check_page_size",
    "check_priority",
    "check_request_id",
    "job_request",
    "parse_id",
]

DEFAULT_LADDER = "h264"
DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 200
MAX_PRIORITY = 100
MAX_LABELS = 64
_LABEL_KEY = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?")
_REQUEST_ID = re.compile(r"[!-~]{1,128}")
_MAX_LABEL_VALUE = 256


def _wrong(field: str, reason: str) -> InvalidInputError:
    return InvalidInputError(f"{field}: {reason}", {"fields": {field: reason}})


def job_request(*, ladder: str = "", drm: str = "") -> JobRequest:
    """The request document of a transcode job.

    `ladder` is the name of a built-in one, never a path: a caller must not make the server open a file.
    Errors: InvalidInputError.
    """
    if drm not in {"", "none"}:
        raise _wrong("drm", 'only "none" is supported')
    found = BUILT_IN.get(ladder or DEFAULT_LADDER)
    if found is None:
        raise _wrong("ladder", f"there is no such ladder; there are: {', '.join(BUILT_IN)}")
    return JobRequest(ladder=found)


def check_priority(priority: int) -> int:
    """A job's priority, -100 to 100. Errors: InvalidInputError."""
    if not -MAX_PRIORITY <= priority <= MAX_PRIORITY:
        raise _wrong("priority", f"must lie between {-MAX_PRIORITY} and {MAX_PRIORITY}")
    return priority


def check_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """A job's labels: at most 64, with short plain keys and values of at most 256 characters.

    Errors: InvalidInputError.
    """
    if len(labels) > MAX_LABELS:
        raise _wrong("labels", f"at most {MAX_LABELS}")
    for key, value in labels.items():
        if not _LABEL_KEY.fullmatch(key):
            raise _wrong("labels", "a key has 1 to 63 letters, digits, dots, dashes, underscores or slashes")
        # What the database would change (NUL, lone surrogates) is refused: a request sent again must equal the stored.
        if len(value) > _MAX_LABEL_VALUE or storable(value) != value:
            raise _wrong("labels", f"a value has at most {_MAX_LABEL_VALUE} characters of Unicode, none of them NUL")
    return dict(labels)


def check_request_id(request_id: str | None) -> str | None:
    """The caller's own id of a request (AIP-155); an empty one is none. Errors: InvalidInputError."""
    if not request_id:
        return None
    if not _REQUEST_ID.fullmatch(request_id):
        raise _wrong("requestId", "1 to 128 visible ASCII characters")
    return request_id


def check_page_size(page_size: int) -> int:
    """The size of a page: 0 means the default, more than the largest means the largest (AIP-158).

    Errors: InvalidInputError for a negative one.
    """
    if page_size < 0:
        raise _wrong("pageSize", "must not be negative")
    return min(page_size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)


def parse_id(value: str, field: str) -> UUID:
    """An id from the wire. Errors: InvalidInputError that names the field."""
    try:
        return UUID(value)
    except ValueError:
        raise _wrong(field, "not a valid id") from None
