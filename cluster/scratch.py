"""Scratch folders: private, removed at the end, and swept when the process that made them died."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

__all__ = ["scratch_folder"]

_NAME = re.compile(r"framemill-[a-z]+-(\d+)-.+")


@contextlib.contextmanager
def scratch_folder(purpose: str = "task", parent: Path | None = None) -> Iterator[Path]:
    """A new empty folder (mode 0700) below `parent`, the system's temporary folder by default; gone afterwards.

    A killed process cannot clean up, so its folder carries its process id and the next one sweeps it.
    """
    parent = parent or Path(tempfile.gettempdir())
    _sweep(parent)
    folder = Path(tempfile.mkdtemp(prefix=f"framemill-{purpose}-{os.getpid()}-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(parent: Path) -> None:
    for path in parent.glob("framemill-*-*"):
        match = _NAME.fullmatch(path.name)
        if match and not _alive(int(match[1])):
            with contextlib.suppress(OSError):
                shutil.rmtree(path)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
