"""Exit codes: what the shell learns from an error code."""

from __future__ import annotations

from typing import Final

__all__ = ["CHECK_FAILED", "DONE", "FAILED", "INTERRUPTED", "RESOURCE_MISSING", "UNUSABLE_INPUT", "USAGE", "exit_code"]

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
UNUSABLE_INPUT: Final = 3
CHECK_FAILED: Final = 4
RESOURCE_MISSING: Final = 5
INTERRUPTED: Final = 130

_BY_CODE: Final = {
    "VALIDATION_ERROR": USAGE,
    "UNSUPPORTED_MEDIA": UNUSABLE_INPUT,
    "PAYLOAD_TOO_LARGE": UNUSABLE_INPUT,
    "VERIFICATION_FAILED": CHECK_FAILED,
    "RESOURCE_MISSING": RESOURCE_MISSING,
    "UNAVAILABLE": RESOURCE_MISSING,
}


def exit_code(code: str) -> int:
    """The exit code of an error code; 1 for every code without one of its own."""
    return _BY_CODE.get(code, FAILED)
