"""One local Ray for all tests of this folder, and what to look at its processes with."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psutil
import pytest

from cluster.runtime.ray_runtime import RayRuntime


@pytest.fixture(scope="session")
def runtime() -> Iterator[RayRuntime]:
    """Ray on loopback with two CPUs."""
    started = RayRuntime(cpus=2)
    yield started
    started.close()


@pytest.fixture
def busy_workers(runtime: RayRuntime) -> Callable[[], list[psutil.Process]]:
    """The Ray workers of this test run that execute something now."""

    def find() -> list[psutil.Process]:
        found = []
        for process in psutil.Process().children(recursive=True):
            try:
                title = " ".join(process.cmdline())
            except psutil.Error:
                continue
            if title.startswith("ray::") and "IDLE" not in title and "Agent" not in title:
                found.append(process)
        return found

    return find
