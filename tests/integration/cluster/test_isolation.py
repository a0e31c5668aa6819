"""Jobs whose decoding crashes, never ends, or never has enough memory, beside one that is in order."""

from __future__ import annotations

import asyncio
import ctypes
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from support import clips
from support.jobs import SETTINGS, Job

from cluster.documents import TaskKey
from cluster.ports import Part, TaskCall
from cluster.runtime.ray_runtime import RayRuntime
from transcoder.errors import FramemillError

CLIP = clips.Clip(seconds=Fraction(6), keyframe_interval=40)


def crash() -> Iterator[Part]:
    ctypes.string_at(0)
    yield Part(TaskKey(kind="image"), None)


def loop() -> Iterator[Part]:
    while True:
        pass
    yield Part(TaskKey(kind="image"), None)


def grow() -> Iterator[Part]:
    pieces = []
    while True:
        pieces.append(bytearray(1 << 24))
    yield Part(TaskKey(kind="image"), None)


class Sabotage:
    """A runtime in which the second chunk of every job does something else than encode."""

    def __init__(self, runtime: RayRuntime, function: Callable[[], Iterator[Part]]) -> None:
        self._runtime, self._function = runtime, function
        self.slots, self.widest = runtime.slots, runtime.widest

    def run(self, call: TaskCall) -> AsyncIterator[Part]:
        if call.name.endswith("video-00001"):
            call = replace(call, function=self._function, arguments=())
        return self._runtime.run(call)


@pytest.fixture(autouse=True)
def by_value() -> None:
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])


async def test_what_ends_one_job_leaves_its_neighbours_alone(runtime: RayRuntime, tmp_path: Path) -> None:
    def job(name: str, function: Callable[[], Iterator[Part]] | None = None) -> Job:
        folder = tmp_path / name
        folder.mkdir()
        return Job(folder, Sabotage(runtime, function) if function else runtime, clips.cached(CLIP))

    hostile = {
        "WORKER_CRASHED": job("crash", crash), "TASK_TIMEOUT": job("loop", loop), "MEMORY_EXCEEDED": job("grow", grow)
    }  # fmt: skip
    neighbour = job("neighbour")
    short = replace(SETTINGS, task_seconds=3.0, task_factor=0.0, task_memory_bytes=512 << 20)
    *ends, report = await asyncio.gather(
        *(one.engine(short).transcode() for one in hostile.values()), neighbour.engine().transcode(),
        return_exceptions=True,
    )  # fmt: skip
    assert isinstance(report, dict)
    assert report["retriedTasks"] == 0
    for (code, one), end in zip(hostile.items(), ends, strict=True):
        assert isinstance(end, FramemillError)
        assert end.code == code
        failures = [line for line in one.lines("failure") if line["code"] == code]
        assert [line["attempt"] for line in failures] == [1, 2, 3]
        assert one.ledger.outcome is not None
        assert (one.ledger.outcome["status"], one.ledger.outcome["code"]) == ("FAILED", code)
