"""What happens in a Ray worker around a call: its limits on memory and time, and how it is stopped.

Hostile media can crash a decoder, make it loop for ever, or make it allocate without bound. Each ends the call alone:
the kernel refuses memory beyond RLIMIT_DATA (not RLIMIT_AS, which counts Ray's shared memory too), and kills the
process when the call's time is over, also where the interpreter's lock is never given back. A worker that lives on
takes the next call under fresh limits.

Calls are stopped by a word in Ray's key-value store, which the worker looks for twice a second while it works, and
obeys by killing itself. Ray's own cancellation is not used (as of Ray 2.60): a call that ends in the moment in which
it is cancelled makes Ray kill the worker after it has taken another call, or abort the process that asked for it
("Tried to complete task that was not pending"). Only the worker knows, under a lock, what it works on.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import signal
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from cluster.ports import Part
from transcoder.errors import FramemillError, InternalError, MemoryExceededError

__all__ = ["Bounds", "Failure", "Started", "allow_stop", "ask_to_stop", "run_call"]

_STOPS = b"framemill-stops"
_LOOK_SECONDS = 0.5

_ALARM_GRACE_SECONDS = 2.0
"""Whoever waits for the call gives it up first and says why; this is for what does not hear the word to stop."""

_RAY_SLACK_BYTES = 256 << 20
"""What Ray's own threads may still map after the first call: eight megabytes of stack each, and their heaps."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one call may use: seconds of time, and bytes of memory beside what the worker itself needs."""

    seconds: float | None
    memory_bytes: int | None


@dataclass(frozen=True, slots=True)
class Failure:
    """How a call ended badly. Yielded and not raised, so that Ray wraps nothing around our errors."""

    error: FramemillError
    trace: str = ""


@dataclass(frozen=True, slots=True)
class Started:
    """The first thing that comes from a worker: the call has left the queue."""


def run_call(
    identifier: str, function: Callable[..., Iterator[Part]], arguments: tuple[object, ...], bounds: Bounds
) -> Iterator[Part | Started | Failure]:
    """Run a call in this process. One that was stopped while it waited does nothing."""
    if _is_stopped(identifier):
        return
    yield Started()
    try:
        with _Watch.here().over(identifier), _limits(bounds):
            yield from function(*arguments)
    except FramemillError as error:
        yield Failure(error)
    except MemoryError:
        yield Failure(MemoryExceededError("the task needed more memory than is allowed"))
    except Exception as error:
        errorid = uuid.uuid4().hex
        yield Failure(
            InternalError("an unexpected error; the log has the cause", {"errorId": errorid}),
            f"{type(error).__name__}: {error}\n{traceback.format_exc()}",
        )


@contextlib.contextmanager
def _limits(bounds: Bounds) -> Iterator[None]:
    """Set the limits of this process for a call. Children inherit them, but for the Packager, which starts without
    the one on memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    before, most = resource.getrlimit(resource.RLIMIT_DATA)
    if bounds.memory_bytes is not None:
        limit = _Watch.here().own_bytes + _RAY_SLACK_BYTES + bounds.memory_bytes
        resource.setrlimit(resource.RLIMIT_DATA, (limit if most < 0 else min(limit, most), most))
    if bounds.seconds is not None:
        # Nobody handles SIGALRM: it ends the process.
        signal.setitimer(signal.ITIMER_REAL, bounds.seconds + _ALARM_GRACE_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        resource.setrlimit(resource.RLIMIT_DATA, (before, most))


class _Watch:
    """Looks for the word to stop, in a thread of its own. One a process, for its life."""

    _instance: ClassVar[_Watch | None] = None

    def __init__(self) -> None:
        self.own_bytes = _data_bytes()  # before the first call: Ray's and the code's own
        self._working = threading.Lock()
        self._call: str | None = None
        self._busy = threading.Event()
        threading.Thread(target=self._look, name="watch", daemon=True).start()

    @classmethod
    def here(cls) -> _Watch:
        """This process's own. Calls run one at a time, in the main thread."""
        if cls._instance is None:
            cls._instance = cls()
        return cls._instance

    @contextlib.contextmanager
    def over(self, identifier: str) -> Iterator[None]:
        """While the block runs, the process dies when it is told to stop this call."""
        with self._working:
            self._call = identifier
        self._busy.set()
        try:
            yield
        finally:
            self._busy.clear()
            with self._working:
                self._call = None

    def _look(self) -> None:
        while True:
            self._busy.wait()
            call = self._call
            if call is not None and _is_stopped(call):
                with self._working:
                    if self._call == call:
                        os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(_LOOK_SECONDS)


def _data_bytes() -> int:
    """Private writable memory of this process: what RLIMIT_DATA counts."""
    found = re.search(r"^VmData:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def ask_to_stop(identifier: str) -> None:
    """Leave the word that a call is to stop, wherever it is. Raises whatever Ray raises where it is away."""
    from ray.experimental.internal_kv import _internal_kv_put

    _internal_kv_put(identifier, b"1", namespace=_STOPS)


def allow_stop(identifier: str) -> None:
    """Take the word back: the call has ended."""
    from ray.experimental.internal_kv import _internal_kv_del

    _internal_kv_del(identifier, namespace=_STOPS)


def _is_stopped(identifier: str) -> bool:
    from ray.experimental.internal_kv import _internal_kv_exists

    try:
        return bool(_internal_kv_exists(identifier, namespace=_STOPS))
    except Exception:
        return False  # Ray is away for a moment; if it stays away, it ends its workers itself
