"""How much memory a task takes: each in a process of its own, which says what it had at its peak.

`python -m support.task_memory KIND SOURCE THREADS` does the work of one task of that kind, on the largest chunk where
it is about one, and prints the bytes of resident memory that the process had. The Packager, its child, runs when the
encoders are gone, and needs less than they do.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import BinaryIO, Literal

from transcoder.chunk import seek_points
from transcoder.ladder import BUILT_IN
from transcoder.media import MediaInfo
from transcoder.part import make_audio_parts, make_video_part
from transcoder.plan import Chunk, Plan, plan_title
from transcoder.probe import probe

__all__ = ["Kind", "peak_of"]

Kind = Literal["probe", "video", "audio"]


def peak_of(kind: Kind, source: Path, *, threads: int = 1, timeout_seconds: float = 1200) -> int:
    """Do the work of one task; the bytes that it took. Errors: AssertionError where it failed."""
    done = subprocess.run(
        [sys.executable, "-m", "support.task_memory", kind, str(source), str(threads)],
        capture_output=True, text=True, timeout=timeout_seconds, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return int(done.stdout)


def _work(kind: str, source: Path, threads: int) -> None:
    with source.open("rb") as file, tempfile.TemporaryDirectory(prefix="task-memory-") as scratch:
        media = probe(file)
        plan = plan_title(media, BUILT_IN["h264"], slots=2)
        match kind:
            case "video":
                largest = max(plan.chunks, key=lambda chunk: (len(chunk.segments), chunk.index))
                _video(file, media, plan, largest, Path(scratch), threads)
            case "audio":
                for made in make_audio_parts(file, plan.audio[0], plan.chunks, Path(scratch), origin=plan.origin):
                    for path in made.files.values():
                        path.unlink()
            case _:
                pass


def _video(file: BinaryIO, media: MediaInfo, plan: Plan, chunk: Chunk, folder: Path, threads: int) -> None:
    assert plan.video is not None and media.main_video is not None
    make_video_part(
        file, plan.video, chunk, folder, lane="cpu", seek=seek_points(media.main_video, plan.video, chunk),
        following=plan.following(chunk), threads=threads,
    )  # fmt: skip


def _main() -> None:
    kind, source, threads = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    _work(kind, source, threads)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)  # noqa: T201 - the answer


if __name__ == "__main__":
    _main()
