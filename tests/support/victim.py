"""A process that does with a file what a worker would, under a limit on memory, and says how it came out.

`python -m support.victim BYTES` reads a path a line and answers a JSON document a line: `code` is OK or that of the
typed error; anything else that is raised is UNEXPECTED with its `trace`. BYTES is what it may allocate beside what it
needs itself. A parent that waits too long, or finds it dead, knows the rest.
"""

from __future__ import annotations

import contextlib
import json
import re
import resource
import select
import subprocess
import sys
import tempfile
import traceback
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from transcoder.chunk import seek_points
from transcoder.errors import FramemillError, UnsupportedMediaError
from transcoder.ladder import Ladder, VideoRung
from transcoder.limits import Limits
from transcoder.media import MediaInfo, VideoStream
from transcoder.part import make_audio_parts, make_video_part
from transcoder.plan import Plan, VideoTrack, plan_title
from transcoder.probe import probe
from transcoder.text.reader import read_cues
from transcoder.text.segments import segment_starts
from transcoder.thumbnails.poster import make_poster, poster_times
from transcoder.thumbnails.sheets import Thumbnails
from transcoder.thumbnails.sprites import make_sheets
from transcoder.thumbnails.stills import keyframes_at

__all__ = ["MEMORY_BYTES", "Victim"]

MEMORY_BYTES = 1 << 30

_LADDER = Ladder(
    name="small",
    segment_seconds=1,
    video=(VideoRung(id="v64", height=64, max_bitrate=200_000, buffer=300_000, preset="ultrafast"),),
)
_LIMITS = Limits(duration_seconds=600, pixels=4096 * 2304)
_MOST_CHUNKS = 3


class Victim:
    """The process, seen from its parent; it is started again after it died."""

    def __init__(self, *, seconds: float) -> None:
        self._seconds = seconds
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Victim:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._end()

    def suffer(self, path: Path) -> dict[str, Any]:
        """How it came out; HUNG and CRASHED where the process did not say."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "support.victim", str(MEMORY_BYTES)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
            )  # fmt: skip
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(f"{path}\n")
        ready, _, _ = select.select([process.stdout], [], [], self._seconds)
        line = process.stdout.readline() if ready else ""
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        self._end()
        return {"code": "CRASHED", "status": process.returncode} if ready else {"code": "HUNG"}

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _work(path: Path) -> None:
    with path.open("rb") as file:
        media = probe(file, _LIMITS)
        plan = plan_title(media, _LADDER, slots=2)
        _encode(file, media, plan)


def _encode(file: BinaryIO, media: MediaInfo, plan: Plan) -> None:
    """The first chunks and the last one, all sound, all text, all thumbnails."""
    with tempfile.TemporaryDirectory(prefix="victim-") as scratch:
        chunks = {chunk.index: chunk for chunk in (*plan.chunks[:_MOST_CHUNKS], plan.chunks[-1])}
        for chunk in chunks.values():
            if plan.video is None or media.main_video is None:
                break
            folder = Path(scratch, f"video{chunk.index}")
            folder.mkdir()
            seek = seek_points(media.main_video, plan.video, chunk)
            make_video_part(
                file, plan.video, chunk, folder, lane="cpu", seek=seek, following=plan.following(chunk), threads=1
            )
        for track in plan.audio:
            folder = Path(scratch, f"audio{track.track}")
            folder.mkdir()
            for _ in make_audio_parts(file, track, plan.chunks, folder, origin=plan.origin):
                pass
        if plan.video and plan.thumbnails and media.main_video:
            _picture(file, media.main_video, plan.video, plan.thumbnails, plan.duration, Path(scratch))
        starts = segment_starts(plan.segments)
        read_cues(file, plan.text, origin=plan.origin, length=plan.length, boundaries=starts)


def _picture(
    file: BinaryIO, stream: VideoStream, track: VideoTrack, thumbnails: Thumbnails, duration: Fraction, folder: Path
) -> None:
    with contextlib.suppress(UnsupportedMediaError):
        keyframes = keyframes_at(stream.keyframes, track, poster_times(duration))
        make_poster(file, track, thumbnails.poster, keyframes, duration, folder)
    sheets = thumbnails.sprites
    if sheets:
        for _ in make_sheets(
            file, track, sheets, keyframes_at(stream.keyframes, track, sheets.times()), duration, folder
        ):
            pass


def _main() -> None:
    own = re.search(r"^VmData:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert own is not None
    limit = int(own[1]) * 1024 + int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in sys.stdin:
        answer: dict[str, Any] = {"code": "OK"}
        try:
            _work(Path(line.strip()))
        except FramemillError as error:
            answer = {"code": error.code, "message": error.message, "details": repr(error.details)[:500]}
        except MemoryError:
            answer = {"code": "MEMORY_EXCEEDED"}
        except Exception:
            answer = {"code": "UNEXPECTED", "trace": traceback.format_exc()}
        answer["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps(answer), flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    _main()
