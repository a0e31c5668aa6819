"""Task calls on Ray: one streaming generator task a call, its parts awaited as they come.

Ray retries nothing: retries belong to chunk tasks and are typed. A dead worker is an error like any other, and
a call whose iterator is closed is stopped (`worker.py` says how), because an encoder does not listen.

Ray is imported when a runtime is made, and not before: whether it may listen beyond loopback is read from the
environment at its import.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import os
import secrets
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from cluster.ports import Part, TaskCall
from cluster.runtime.worker import Bounds, Failure, Started, allow_stop, ask_to_stop, run_call
from cluster.scratch import scratch_folder
from transcoder.errors import (
    InternalError,
    ResourceMissingError,
    TaskTimeoutError,
    WorkerCrashedError,
)

__all__ = ["RayRuntime"]

_log = logging.getLogger(__name__)

_SOCKETS = Path("/tmp")  # noqa: S108 - a private folder in it
"""Where Ray's sockets lie, whatever TMPDIR says: the path of a socket may have 107 bytes, and Ray's own part of it
is long."""

_LOOPBACK_ONLY = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"

_OBJECT_STORE_BYTES = 80 * 1024 * 1024
"""Nearly the least Ray accepts: results are small documents, media never goes through Ray."""


class RayRuntime:
    """`Runtime` over a Ray cluster: a local one on loopback by default, or an existing one by address."""

    def __init__(self, *, address: str | None = None, cpus: int | None = None) -> None:
        """Connect. Errors: ResourceMissingError where the cluster cannot be reached or started."""
        self._ray = ray = _import_ray(local=address is None)
        self._folder = ExitStack()
        try:
            if address:
                ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
            else:
                # Ray opens its folder to every user of the machine: it gets one inside a private one.
                folder = self._folder.enter_context(scratch_folder("ray", _SOCKETS)) / "r"
                ray.init(
                    address="local", _temp_dir=str(folder), num_cpus=cpus, include_dashboard=False,
                    _node_ip_address="127.0.0.1", log_to_driver=False, logging_level=logging.ERROR,
                    object_store_memory=_OBJECT_STORE_BYTES,
                )  # fmt: skip
        except (ConnectionError, OSError, RuntimeError, TimeoutError, ValueError) as error:
            self._folder.close()
            raise ResourceMissingError(f"Ray cannot be used: {error}") from error
        self._run_call = ray.remote(max_retries=0)(run_call)
        self._leaving: set[asyncio.Task[None]] = set()

    @property
    def slots(self) -> int:
        """CPUs of the cluster as it is now."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    @property
    def widest(self) -> int:
        """CPUs of the largest node as it is now: a call that asks for more would wait for ever."""
        nodes = (node["Resources"] for node in self._ray.nodes() if node["Alive"])
        return max([1, *(int(resources.get("CPU", 0)) for resources in nodes)])

    async def run(self, call: TaskCall) -> AsyncIterator[Part]:
        """Run a call somewhere in the cluster; see `cluster.ports.Runtime`."""
        ray = self._ray
        identifier = uuid.uuid4().hex
        generator = self._run_call.options(num_cpus=call.cpus, name=call.name, num_returns="streaming").remote(
            identifier, call.function, call.arguments, Bounds(call.seconds, call.memory_bytes)
        )
        finished = False
        deadline: float | None = None
        try:
            while True:
                try:
                    # Around the waiting alone: what is done with a part is not the task's time.
                    async with asyncio.timeout_at(deadline):
                        item = await (await anext(generator))
                except StopAsyncIteration:
                    break
                except TimeoutError as error:
                    raise TaskTimeoutError(f"{call.name} ran past its wall clock") from error
                if isinstance(item, Started):
                    deadline = asyncio.get_running_loop().time() + call.seconds if call.seconds else None
                    continue
                if isinstance(item, Failure):
                    finished = True
                    if item.trace:
                        _log.error("task %s failed unexpectedly: %s\n%s", call.name, item.error.details, item.trace)
                    raise item.error
                yield item
            finished = True
        except ray.exceptions.RayError as error:
            finished = True
            cause = type(error).__name__
            raise WorkerCrashedError(f"the process that ran {call.name} died", {"cause": cause}) from error
        finally:
            if not finished:
                self._leave(identifier, generator)

    def _leave(self, identifier: str, generator: Any) -> None:
        """Stop a call that nobody waits for any more. One that still is in the queue stops when its turn comes."""
        leaving = asyncio.create_task(self._drain(identifier, generator))
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)

    async def _drain(self, identifier: str, generator: Any) -> None:
        try:
            # In a thread: while Ray's control service is away this waits, and the loop has leases to renew.
            await asyncio.to_thread(ask_to_stop, identifier)
        except Exception as error:
            _log.warning("a call could not be stopped and runs to its end: %s", type(error).__name__)
        with contextlib.suppress(self._ray.exceptions.RayError):
            async for reference in generator:
                await reference
        with contextlib.suppress(Exception):  # garbage: nothing has this name again
            await asyncio.to_thread(allow_stop, identifier)

    def close(self) -> None:
        """Leave the cluster; a local one stops."""
        self._ray.shutdown()
        self._folder.close()


def _import_ray(*, local: bool) -> Any:
    """Ray, set up before its import. Typed as Any: Ray's own types know no streaming generators."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    # Ray prints every death of a worker to stdout, which belongs to the program. Its logs have it, and our errors.
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")
    if local:
        # Ray binds to loopback only where it believes that clusters are not for this system.
        if "ray" in sys.modules and os.environ.get(_LOOPBACK_ONLY) != "0":
            raise InternalError("Ray was imported before the runtime could bind it to loopback")
        os.environ[_LOOPBACK_ONLY] = "0"
        # Else Ray keeps one token for all its clusters in a file that every user may read.
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    return importlib.import_module("ray")
