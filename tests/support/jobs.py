"""Jobs of the engine over a journal in a folder, for the tests that run whole ones."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from cluster.documents import JobRequest, StoreSpec, TaskKey
from cluster.engine import Engine, EngineSettings, Progress
from cluster.ledgers.journal import JournalLedger
from cluster.ports import Runtime
from transcoder.ladder import Ladder, VideoRung

LADDER = Ladder(
    name="small",
    segment_seconds=2,
    video=(
        VideoRung(id="v180", height=180, max_bitrate=600_000, buffer=900_000),
        VideoRung(id="v90", height=90, max_bitrate=200_000, buffer=300_000),
    ),
)
SETTINGS = EngineSettings(cancel_poll_seconds=0.1, publish_pause_seconds=0.05, retry_pause_seconds=0.1)


class Job:
    """One job over a journal in a folder, which any number of engines work on one after the other."""

    def __init__(self, folder: Path, runtime: Runtime, source: Path, ladder: Ladder = LADDER) -> None:
        self.out = folder / "out"
        self._journal = folder / "out.journal"
        (folder / "sources").mkdir()
        (folder / "sources" / "source").symlink_to(source)
        self._sources = StoreSpec(root=str(folder / "sources"))
        self._runtime = runtime
        self.ledger = JournalLedger.create(self._journal, "job", JobRequest(ladder=ladder))
        self.progress: list[Progress] = []
        self.first_commit = asyncio.Event()

    def engine(self, settings: EngineSettings = SETTINGS) -> Engine:
        return Engine(
            self.ledger, self._runtime, source=(self._sources, "source"), packages=StoreSpec(root=str(self.out)),
            settings=settings, on_progress=self._note,
        )  # fmt: skip

    def reopen(self) -> None:
        self.ledger.close()
        self.ledger = JournalLedger.open(self._journal)

    def lines(self, kind: str) -> list[dict[str, object]]:
        lines = [json.loads(line) for line in self._journal.read_text().splitlines()]
        return [line[kind] for line in lines if kind in line]

    def attempts_after_commit(self) -> list[str]:
        """Tasks of which an attempt began after one was committed: there must be none."""
        committed, wrong = set(), []
        for line in map(json.loads, self._journal.read_text().splitlines()):
            if "commit" in line:
                committed.add(str(TaskKey.model_validate(line["commit"]["key"])))
            elif "attempt" in line and str(TaskKey.model_validate(line["attempt"]["key"])) in committed:
                wrong.append(str(line["attempt"]))
        return wrong

    def _note(self, progress: Progress) -> None:
        self.progress.append(progress)
        if progress.chunks_done:
            self.first_commit.set()
