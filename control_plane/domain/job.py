"""The life of a job: one transition table, repeated by a trigger in the database.

    QUEUED -> RUNNING -> SUCCEEDED | FAILED | CANCELED
    QUEUED -> CANCELED

Every failure passes through RUNNING; a retry is a new job.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from control_plane.service.views import JobStatus
from transcoder.errors import ConflictError

__all__ = ["LIVE", "TERMINAL", "TERMINAL_EVENTS", "TRANSITIONS", "IllegalTransition", "advance"]

TRANSITIONS: Final[Mapping[JobStatus, frozenset[JobStatus]]] = {
    JobStatus.QUEUED: frozenset({JobStatus.RUNNING, JobStatus.CANCELED}),
    JobStatus.RUNNING: frozenset({JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELED}),
    JobStatus.SUCCEEDED: frozenset(),
    JobStatus.FAILED: frozenset(),
    JobStatus.CANCELED: frozenset(),
}

LIVE: Final = frozenset(status for status, targets in TRANSITIONS.items() if targets)
"""States from which a job can still go on. At most one live job per video and type."""

TERMINAL: Final = frozenset(TRANSITIONS) - LIVE
"""States that a job never leaves."""

TERMINAL_EVENTS: Final[Mapping[str, JobStatus]] = {
    "job.succeeded": JobStatus.SUCCEEDED,
    "job.failed": JobStatus.FAILED,
    "job.canceled": JobStatus.CANCELED,
}
"""The last event of a job, by the state it ends in."""


class IllegalTransition(ConflictError):
    """The table has no such step; `details["history"]` lists the states the job went through."""


def advance(history: Sequence[JobStatus], to: JobStatus) -> tuple[JobStatus, ...]:
    """The history with one more state. A job is born QUEUED: the empty history allows nothing else.

    Errors: IllegalTransition with the history, where the table has no such step.
    """
    allowed = TRANSITIONS[history[-1]] if history else frozenset({JobStatus.QUEUED})
    if to not in allowed:
        before = history[-1].value if history else "nothing"
        raise IllegalTransition(
            f"a job cannot go from {before} to {to.value}",
            {"history": [status.value for status in history], "to": to.value},
        )
    return (*history, to)
