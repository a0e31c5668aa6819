"""Object keys: what is allowed as one. Pure, shared by all stores."""

from __future__ import annotations

import re

from transcoder.errors import InvalidInputError

__all__ = ["check_key", "check_prefix"]

_PART = re.compile(r"[A-Za-z0-9_=+@-][A-Za-z0-9._=+@-]{0,199}")
_MAX_LENGTH = 1000  # S3 allows 1024 bytes; a store's own prefix needs room


def check_key(key: str) -> str:
    """The key, if it is one: relative, plain ASCII parts between single slashes, no part begins with a dot.

    Errors: InvalidInputError. Every store calls this, so no key can leave its store or mean two things.
    """
    if len(key) > _MAX_LENGTH or not all(_PART.fullmatch(part) for part in key.split("/")):
        raise InvalidInputError("not a valid object key")
    return key


def check_prefix(prefix: str) -> str:
    """A prefix of keys, as `list` takes it: empty, or whole parts with an optional slash at the end."""
    if prefix.rstrip("/"):
        check_key(prefix.rstrip("/") if prefix.endswith("/") else prefix)
    elif prefix:
        raise InvalidInputError("not a valid key prefix")
    return prefix
