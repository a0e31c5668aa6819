"""Byte ranges and entity tags of RFC 9110, as pure functions."""

from __future__ import annotations

import re

from control_plane.service.errors import RangeNotSatisfiableError

__all__ = ["matches", "parse_range"]

_RANGE = re.compile(r"\s*bytes\s*=\s*(\d{0,19})\s*-\s*(\d{0,19})\s*", re.IGNORECASE)
_TAG = re.compile(r'(?:W/)?("[^"]*")')


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """The half-open span [start, end) that a Range header asks for, or None for the whole object.

    A header that is malformed, has another unit or several ranges is ignored, as 14.2 allows. Errors:
    RangeNotSatisfiableError with `details["size"]` when the range lies outside (15.5.17).
    """
    found = _RANGE.fullmatch(header) if header else None
    if found is None:
        return None
    first, last = found.groups()
    if first:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < int(first):
            return None
    elif last:
        start, end = max(0, size - int(last)), size
    else:
        return None
    if start >= size or start >= end:
        raise RangeNotSatisfiableError("the range lies outside the object", {"size": size})
    return start, end


def matches(header: str | None, etag: str) -> bool:
    """Whether an If-None-Match header names this quoted entity tag, by weak comparison (8.8.3.2, 13.1.2)."""
    if not header:
        return False
    return header.strip() == "*" or etag in _TAG.findall(header)
