"""A package in a local folder, for the verifier."""

from __future__ import annotations

from pathlib import Path

from transcoder.errors import NotFoundError
from transcoder.packaging.listing import OpenObject

__all__ = ["folder_opener"]


def folder_opener(folder: Path) -> OpenObject:
    """Opens the objects of a package in a local folder. A name never leaves the folder, not by a link either."""
    root = folder.resolve()

    def open_object(path: str) -> bytes:
        file = (root / path).resolve()
        if not file.is_relative_to(root) or not file.is_file():
            raise NotFoundError(f"{path} is not in the package", {"path": path})
        return file.read_bytes()

    return open_object
