"""The settings: every group of them can be set from the environment."""

from __future__ import annotations

from fractions import Fraction

import pytest

from cluster.documents import TaskKey
from cluster.ports import TaskCall
from cluster.settings import EngineSettings
from control_plane.settings import Settings


def test_limits_of_a_source_and_of_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMEMILL_ENGINE__LIMITS__PIXELS", "1000000")
    monkeypatch.setenv("FRAMEMILL_ENGINE__TASK_MEMORY_BYTES", "900000000")
    engine = Settings().engine
    default = EngineSettings()
    assert (engine.limits.pixels, engine.limits.streams) == (1_000_000, default.limits.streams)
    assert (engine.task_memory_bytes, engine.task_seconds) == (900_000_000, default.task_seconds)


def test_every_call_is_bounded() -> None:
    call = TaskCall("any", lambda: iter(()), (TaskKey(kind="image"),))
    settings = EngineSettings(task_seconds=10, task_factor=3, analyze_seconds=7, task_memory_bytes=5)
    bounded = settings.bounded(call, Fraction(4))
    assert (bounded.seconds, bounded.memory_bytes) == (22.0, 5)
    assert settings.bounded(call, None).seconds == 7
