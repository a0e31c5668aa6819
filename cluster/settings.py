"""The engine's settings: how long, how much, how large. Built by the composition root."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction

from cluster.ports import TaskCall
from transcoder.probe import Limits

__all__ = ["EngineSettings"]


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Times in seconds, sizes in bytes.

    A task that runs past `task_seconds` plus `task_factor` times its span is a failure, and an analysis, whose span
    nobody knows, one that runs past `analyze_seconds`. `task_memory_bytes` is what a task may allocate beside what its
    process needs anyway: a chunk of 1080p on five rungs takes less than 0.7 GB, one of 2160p some three times that.
    `limits` say what a source may be at most.
    """

    cancel_poll_seconds: float = 1.0
    publish_pause_seconds: float = 0.25
    retry_pause_seconds: float = 1.0
    task_seconds: float = 120.0
    task_factor: float = 120.0
    analyze_seconds: float = 900.0
    task_memory_bytes: int = 4 << 30
    limits: Limits = field(default_factory=Limits)

    def bounded(self, call: TaskCall, span: Fraction | None) -> TaskCall:
        """The call with its bounds: one that works on `span` seconds of the title, None where nobody knows."""
        seconds = self.analyze_seconds if span is None else self.task_seconds + self.task_factor * float(span)
        return replace(call, seconds=seconds, memory_bytes=self.task_memory_bytes)
