"""Runs a command and measures its whole process tree: wall, CPU and memory.

CPU. A Ray job consists of daemons that leave their parent, so the usage of the command alone says little. While a
command runs, this process is a subreaper (prctl(2), PR_SET_CHILD_SUBREAPER): a descendant whose parent ends becomes
our child, we wait for it, and the kernel adds its CPU time to ours (getrusage(2), RUSAGE_CHILDREN). Exact, however
short a process lives. One hole is left: a parent that ignores SIGCHLD has its children reaped without an account
(wait(2)). So the tree is polled too, the last seen time of each process is summed up, and the larger sum counts;
both are in the result.

Memory is polled: RSS counts pages that are shared between processes once for each of them, PSS (smaps_rollup) shares
them out and is the one to compare.
"""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

__all__ = ["CommandError", "Measurement", "measure"]

PR_SET_CHILD_SUBREAPER = 36
POLL_SECONDS = 0.5
SHUTDOWN_SECONDS = 30.0
"""How long daemons may take to end after their command before they count as left over, and are killed."""


class CommandError(RuntimeError):
    """The measured command failed; the message has the end of its standard error."""


@dataclass(frozen=True)
class Measurement:
    """One run. Times in seconds, memory in bytes at its peak over the whole tree."""

    wall_seconds: float
    cpu_seconds: float
    reaped_cpu_seconds: float
    polled_cpu_seconds: float
    peak_rss_bytes: int
    peak_pss_bytes: int
    processes: int
    left_over: int


@dataclass
class _Watch:
    """Polls the tree below this process in a thread until it is stopped."""

    cpu: dict[tuple[int, float], float] = field(default_factory=dict)
    peak_rss: int = 0
    peak_pss: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.stopped.wait(POLL_SECONDS):
            self.look()

    def look(self) -> None:
        rss = pss = 0
        for process in psutil.Process().children(recursive=True):
            try:
                times = process.cpu_times()
                self.cpu[process.pid, process.create_time()] = times.user + times.system
                rss += process.memory_info().rss
                pss += _pss(process.pid)
            except (psutil.Error, OSError):
                continue  # ended between two lines
        self.peak_rss, self.peak_pss = max(self.peak_rss, rss), max(self.peak_pss, pss)


def measure(command: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None) -> Measurement:
    """Run `command` to its end, its output going to the file `log`. Errors: CommandError."""
    _become_subreaper()
    watch = _Watch()
    thread = threading.Thread(target=watch.run, name="benchmark-watch")
    before = _children_cpu()
    with log.open("wb") as output:
        start = time.monotonic()
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
        )
        thread.start()
        try:
            status = child.wait()
            wall = time.monotonic() - start
            left_over = _reap_all()
        except BaseException:
            child.kill()
            child.wait()
            _reap_all(SHUTDOWN_SECONDS / 10)
            raise
        finally:
            watch.stopped.set()
            thread.join()
    if status:
        raise CommandError(f"{command[0]}: exit {status}: {log.read_text(errors='replace')[-2000:]}")
    reaped, polled = _children_cpu() - before, sum(watch.cpu.values())
    return Measurement(
        wall_seconds=wall,
        cpu_seconds=max(reaped, polled),
        reaped_cpu_seconds=reaped,
        polled_cpu_seconds=polled,
        peak_rss_bytes=watch.peak_rss,
        peak_pss_bytes=watch.peak_pss,
        processes=len(watch.cpu),
        left_over=left_over,
    )


def _become_subreaper() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER) failed")


def _children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _reap_all(patience_seconds: float = SHUTDOWN_SECONDS) -> int:
    """Wait for every process that is left below us; kill those that do not end. Gives how many were killed."""
    deadline = time.monotonic() + patience_seconds
    killed = 0
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return killed
        if pid:
            continue
        if time.monotonic() > deadline:
            for process in psutil.Process().children(recursive=True):
                process.kill()
                killed += 1
            deadline = time.monotonic() + patience_seconds
        time.sleep(0.05)


def _pss(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0
