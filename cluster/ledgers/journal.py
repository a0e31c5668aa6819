"""A ledger in a journal file beside the output: the command line's, for `--resume`.

One JSON document a line, appended and flushed to the disk before the method returns. A line that a crash cut
short is dropped when the file is opened again: it was never acknowledged. One process at a time holds the
file's lock; who lost it writes nothing more.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from pathlib import Path
from typing import Any, TextIO

from cluster.documents import Commit, JobRequest, JobState, Publication, TaskKey
from cluster.threads import in_thread
from transcoder.errors import ConflictError, FramemillError, LeaseLostError
from transcoder.media import MediaInfo
from transcoder.plan import Plan
from transcoder.results import PartResult

__all__ = ["JournalLedger"]


class JournalLedger:
    """`JobLedger` over one journal file. `outcome` is how the job ended, or None."""

    def __init__(self, path: Path, file: TextIO, state: JobState, outcome: dict[str, Any] | None) -> None:
        self._path, self._file, self._state = path, file, state
        self._committed = {commit.key: commit for commit in state.commits}
        self._attempts = dict(state.attempts)
        self.outcome = outcome
        # Tasks of one job write at once, each in its thread; a text file takes one writer at a time.
        self._one_writer = threading.Lock()

    @classmethod
    def create(cls, path: Path, job_id: str, request: JobRequest) -> JournalLedger:
        """A new journal. Errors: ConflictError where the file exists."""
        try:
            file = path.open("x+", encoding="utf-8")
        except FileExistsError as error:
            raise ConflictError(f"there is a journal already: {path.name}") from error
        _lock(file)
        ledger = cls(path, file, JobState(job_id=job_id, request=request), None)
        ledger._append("job", {"id": job_id, "request": request.model_dump(mode="json")})
        return ledger

    @classmethod
    def open(cls, path: Path) -> JournalLedger:
        """The journal of an interrupted job. Errors: ConflictError where another process works on it."""
        file = path.open("r+", encoding="utf-8")
        _lock(file)
        lines, good = [], 0
        while line := file.readline():
            if not line.endswith("\n"):
                break
            lines.append(json.loads(line))
            good = file.tell()
        file.seek(good)
        file.truncate()
        state, outcome = _replay(lines)
        return cls(path, file, state, outcome)

    @property
    def request(self) -> JobRequest:
        """What the job was begun with."""
        return self._state.request

    @property
    def media(self) -> MediaInfo | None:
        """The analyzed source; None where the job was interrupted before."""
        return self._state.media

    async def load(self) -> JobState:
        return self._state.model_copy(
            update={"commits": tuple(self._committed.values()), "attempts": dict(self._attempts)}
        )

    async def save_media(self, media: MediaInfo) -> None:
        await self._write("media", media.model_dump(mode="json"))
        self._state = self._state.model_copy(update={"media": media})

    async def save_plan(self, plan: Plan) -> None:
        before = self._state.plan
        if before is not None and plan.chunks[: len(before.chunks)] != before.chunks:
            raise ConflictError("a plan can only be extended")
        await self._write("plan", plan.model_dump(mode="json"))
        self._state = self._state.model_copy(update={"plan": plan})

    async def begin_attempt(self, key: TaskKey) -> int:
        if key in self._committed:
            raise ConflictError("the task is committed", {"task": str(key)})
        attempt = self._attempts.get(str(key), 0) + 1
        await self._write("attempt", {"key": key.model_dump(), "attempt": attempt})
        self._attempts[str(key)] = attempt
        return attempt

    async def fail_attempt(self, key: TaskKey, attempt: int, error: FramemillError) -> None:
        await self._write(
            "failure",
            {"key": key.model_dump(), "attempt": attempt, "code": error.code, "message": error.message},
        )

    async def commit(self, key: TaskKey, attempt: int, result: PartResult) -> bool:
        if key in self._committed:
            return False
        commit = Commit(key=key, attempt=attempt, result=result)
        # Taken before the write: a second commit of the task that comes meanwhile must lose.
        self._committed[key] = commit
        try:
            await self._write("commit", commit.model_dump(mode="json"))
        except Exception:
            # Not after a cancellation: the line was written before it was heard.
            del self._committed[key]
            raise
        return True

    async def publish(self, publication: Publication) -> None:
        await self._write("publication", publication.model_dump(mode="json"))
        self._state = self._state.model_copy(update={"publication": publication})

    async def cancel_requested(self) -> bool:
        return False

    async def succeed(self, report: dict[str, object]) -> None:
        await self._end({"status": "SUCCEEDED", "report": report})

    async def fail(self, error: FramemillError) -> None:
        status = "CANCELED" if error.code == "CANCELED" else "FAILED"
        await self._end({"status": status, "code": error.code, "message": error.message, "details": error.details})

    async def _end(self, outcome: dict[str, Any]) -> None:
        await self._write("end", outcome)
        self.outcome = outcome

    def close(self) -> None:
        """Give the lock back; whatever still writes through this ledger gets LeaseLostError."""
        with self._one_writer:
            self._file.close()

    async def _write(self, kind: str, value: dict[str, Any]) -> None:
        await in_thread(self._append, kind, value)

    def _append(self, kind: str, value: dict[str, Any]) -> None:
        line = json.dumps({kind: value}, ensure_ascii=False, default=str) + "\n"
        with self._one_writer:
            if self._file.closed:
                raise LeaseLostError("the journal was closed", {"journal": self._path.name})
            self._file.write(line)
            self._file.flush()
            os.fsync(self._file.fileno())


def _lock(file: TextIO) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise ConflictError("another process works on this output") from error


def _replay(lines: list[dict[str, Any]]) -> tuple[JobState, dict[str, Any] | None]:
    """The state that the journal's lines add up to."""
    if not lines or "job" not in lines[0]:
        raise ConflictError("the journal has no job; remove it and start again")
    fields: dict[str, Any] = {"job_id": lines[0]["job"]["id"], "request": lines[0]["job"]["request"]}
    commits: list[dict[str, Any]] = []
    attempts: dict[str, int] = {}
    outcome = None
    for line in lines[1:]:
        ((kind, value),) = line.items()
        match kind:
            case "media" | "plan" | "publication":
                fields[kind] = value
            case "attempt":
                attempts[str(TaskKey.model_validate(value["key"]))] = value["attempt"]
            case "commit":
                commits.append(value)
            case "end":
                outcome = value
    # Through JSON, as the values were written: a Fraction is text there.
    return JobState.model_validate_json(json.dumps({**fields, "commits": commits, "attempts": attempts})), outcome
