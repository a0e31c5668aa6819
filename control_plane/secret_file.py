"""Secrets that rest in a file of the data directory, readable by its owner alone."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

__all__ = ["read_or_create"]


def read_or_create(path: Path, fresh: str) -> str:
    """The secret in `path`; where there is none yet, `fresh` becomes it.

    The file appears whole, with mode 0600, and is durable before this returns: written beside its place, synced,
    linked. link(2) never replaces, so of two processes that create it at once both get the same secret.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(fresh + "\n")
                file.flush()
                os.fsync(file.fileno())
            try:
                path.hardlink_to(draft)
            except FileExistsError:
                pass
            else:
                _sync_directory(path.parent)
        finally:
            draft.unlink()
    return path.read_text(encoding="ascii").strip()


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
