"""The Ray runtime: parts as they come, typed errors, dead workers, cancellation, and nothing beyond loopback."""

from __future__ import annotations

import asyncio
import ctypes
import ipaddress
import os
import signal
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import cast

import psutil
import pytest

from cluster.documents import TaskKey
from cluster.ports import Part, TaskCall
from cluster.runtime.ray_runtime import RayRuntime
from transcoder.errors import (
    InternalError,
    MemoryExceededError,
    TaskTimeoutError,
    UnsupportedMediaError,
    WorkerCrashedError,
)

KEY = TaskKey(kind="image")


def count(numbers: int) -> Iterator[Part]:
    for number in range(numbers):
        yield Part(KEY, number)


def refuse() -> Iterator[Part]:
    yield Part(KEY, 1)
    raise UnsupportedMediaError("broken", {"where": 7})


def fail() -> Iterator[Part]:
    raise ZeroDivisionError("a secret in a message")
    yield


def die() -> Iterator[Part]:
    yield Part(KEY, 1)
    os.kill(os.getpid(), signal.SIGKILL)


def hang(pid_file: str) -> Iterator[Part]:
    Path(pid_file).write_text(str(os.getpid()))
    yield Part(KEY, 1)
    signal.pause()


def hold_the_lock(pid_file: str) -> Iterator[Part]:
    """Hang in C code that does not give the interpreter's lock back."""
    Path(pid_file).write_text(str(os.getpid()))
    ctypes.pythonapi.pause()
    yield Part(KEY, 1)


def crash() -> Iterator[Part]:
    ctypes.string_at(0)
    yield Part(KEY, 1)


def grow_in_python() -> Iterator[Part]:
    pieces = []
    while True:
        pieces.append(bytearray(1 << 24))
    yield Part(KEY, 1)


def grow_in_c() -> Iterator[Part]:
    """Allocate until the C library gives no more, and say how many bytes that was."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.malloc.argtypes = [ctypes.c_size_t]
    pieces = list(iter(lambda: libc.malloc(1 << 24), None))
    libc.free.argtypes = [ctypes.c_void_p]
    for piece in pieces:
        libc.free(piece)
    yield Part(KEY, len(pieces) << 24)


def linger(seconds: float) -> Iterator[Part]:
    yield Part(KEY, os.getpid())
    time.sleep(seconds)


def hold(fifo: str) -> Iterator[Part]:
    yield Part(KEY, 1)
    Path(fifo).read_bytes()  # until somebody writes


async def gone(pid: int) -> None:
    async with asyncio.timeout(5):
        while psutil.pid_exists(pid):  # noqa: ASYNC110 - it is no child of ours
            await asyncio.sleep(0.02)


async def results(runtime: RayRuntime, call: TaskCall) -> list[object]:
    return [part.result async for part in runtime.run(call)]


# Ray pickles functions of importable modules by name; a test module is none for its workers.
@pytest.fixture(autouse=True)
def by_value() -> None:
    import sys

    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])


async def test_parts_come_in_order(runtime: RayRuntime) -> None:
    assert await results(runtime, TaskCall("count", count, (5,))) == [0, 1, 2, 3, 4]


async def test_our_errors_arrive_as_they_are(runtime: RayRuntime) -> None:
    with pytest.raises(UnsupportedMediaError) as caught:
        await results(runtime, TaskCall("refuse", refuse, ()))
    assert (caught.value.message, caught.value.details) == ("broken", {"where": 7})


async def test_an_unexpected_error_leaks_nothing(runtime: RayRuntime) -> None:
    with pytest.raises(InternalError) as caught:
        await results(runtime, TaskCall("fail", fail, ()))
    assert "secret" not in caught.value.message + str(caught.value.details)
    assert caught.value.details["errorId"]
    assert not caught.value.retryable


async def test_a_dead_worker_is_retryable(runtime: RayRuntime) -> None:
    with pytest.raises(WorkerCrashedError) as caught:
        await results(runtime, TaskCall("die", die, ()))
    assert caught.value.retryable


async def test_closing_kills_the_task(runtime: RayRuntime, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    async with aclosing(cast("AsyncGenerator[Part]", runtime.run(TaskCall("hang", hang, (str(pid_file),))))) as parts:
        await anext(parts)
    await gone(int(pid_file.read_text()))


async def test_a_task_past_its_wall_clock_is_killed(
    runtime: RayRuntime, tmp_path: Path, busy_workers: Callable[[], list[psutil.Process]]
) -> None:
    pid_file = tmp_path / "pid"
    with pytest.raises(TaskTimeoutError):
        await results(runtime, TaskCall("hang", hang, (str(pid_file),), seconds=0.2))
    await gone(int(pid_file.read_text()))


async def test_a_task_that_holds_the_interpreter_is_killed_too(runtime: RayRuntime, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    with pytest.raises(TaskTimeoutError):
        await results(runtime, TaskCall("hold", hold_the_lock, (str(pid_file),), seconds=0.5))
    await gone(int(pid_file.read_text()))


async def test_a_crash_in_c_is_retryable(runtime: RayRuntime) -> None:
    with pytest.raises(WorkerCrashedError):
        await results(runtime, TaskCall("crash", crash, ()))


def test_ray_prints_nothing_to_our_stdout(runtime: RayRuntime) -> None:
    from ray._private.ray_logging import stdout_deduplicator

    told = {"lines": ["A worker died or was killed"], "pid": "raylet", "is_err": False, "ip": "127.0.0.1", "job": "1"}
    assert [batch["lines"] for batch in stdout_deduplicator.deduplicate(told)] in ([], [[]])


async def test_memory_is_bounded(runtime: RayRuntime) -> None:
    with pytest.raises(MemoryExceededError) as caught:
        await results(runtime, TaskCall("grow", grow_in_python, (), memory_bytes=64 << 20))
    assert caught.value.retryable
    [taken] = await results(runtime, TaskCall("grow", grow_in_c, (), memory_bytes=256 << 20))
    assert isinstance(taken, int)
    # What the worker and Ray's threads need is allowed on top.
    assert 256 << 20 <= taken <= 640 << 20
    assert await results(runtime, TaskCall("count", count, (2,))) == [0, 1]


async def test_stopping_a_call_that_ends_harms_no_other(runtime: RayRuntime) -> None:
    """Calls are left in the moment in which they end, and others come at once after them to the same processes."""
    for number in range(12):
        async with aclosing(cast("AsyncGenerator[Part]", runtime.run(TaskCall("a", linger, (0.0,))))) as parts:
            await anext(parts)
        others = (results(runtime, TaskCall("b", linger, (0.01 * number,))) for _ in range(3))
        assert [len(found) for found in await asyncio.gather(*others)] == [1, 1, 1]


async def test_a_call_that_was_left_in_the_queue_does_nothing(runtime: RayRuntime, tmp_path: Path) -> None:
    fifo, pid_file = tmp_path / "fifo", tmp_path / "pid"
    os.mkfifo(fifo)
    async with aclosing(
        cast("AsyncGenerator[Part]", runtime.run(TaskCall("hold", hold, (str(fifo),), cpus=2)))
    ) as parts:
        await anext(parts)
        waiting = asyncio.create_task(results(runtime, TaskCall("hang", hang, (str(pid_file),))))
        await asyncio.wait({waiting}, timeout=0.2)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await asyncio.to_thread(fifo.write_bytes, b"go")
        assert [part async for part in parts] == []
    assert await results(runtime, TaskCall("count", count, (2,), cpus=2)) == [0, 1]
    assert not pid_file.exists()


async def test_waiting_for_a_processor_is_not_running(runtime: RayRuntime, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    holding = TaskCall("hold", hold, (str(fifo),), cpus=2)
    async with aclosing(cast("AsyncGenerator[Part]", runtime.run(holding))) as parts:
        await anext(parts)
        waiting = asyncio.create_task(results(runtime, TaskCall("count", count, (3,), seconds=1.0)))
        done, _ = await asyncio.wait({waiting}, timeout=1.5)
        assert not done
        await asyncio.to_thread(fifo.write_bytes, b"go")
        assert [part async for part in parts] == []
    assert await waiting == [0, 1, 2]


async def test_nothing_listens_beyond_loopback(
    runtime: RayRuntime, busy_workers: Callable[[], list[psutil.Process]]
) -> None:
    await results(runtime, TaskCall("count", count, (1,)))
    own = psutil.Process()
    processes = [own, *own.children(recursive=True)]
    listening = [
        (connection.laddr.ip, " ".join(process.cmdline())[:60])
        for process in processes
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening
    for address, name in listening:
        ip = ipaddress.ip_address(address)
        mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
        assert (mapped or ip).is_loopback, f"{name} listens on {address}"


def test_slots_are_the_cpus(runtime: RayRuntime) -> None:
    assert (runtime.slots, runtime.widest) == (2, 2)


def test_no_other_user_can_reach_ray(runtime: RayRuntime) -> None:
    # The folder holds Ray's sockets and logs, and the token is what lets a process run code in the cluster.
    folders = list(Path("/tmp").glob(f"framemill-ray-{os.getpid()}-*"))  # noqa: S108
    assert len(folders) == 1
    assert folders[0].stat().st_mode & 0o777 == 0o700
    assert list(folders[0].glob("*/session_*"))
    token = os.environ["RAY_AUTH_TOKEN"]
    shared = Path.home() / ".ray" / "auth_token"
    assert len(token) == 64
    assert not shared.exists() or shared.read_text().strip() != token
