"""The journal file: what a crash may do to it, and to whom it belongs."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.plans import part_result, plan_of

from cluster.documents import JobRequest, TaskKey
from cluster.ledgers.journal import JournalLedger
from transcoder.errors import ConflictError

KEY = TaskKey(kind="video", index=0)
PLAN = plan_of(20)


async def journal(path: Path) -> None:
    ledger = JournalLedger.create(path, "job", JobRequest())
    await ledger.save_plan(PLAN)
    await ledger.commit(KEY, await ledger.begin_attempt(KEY), part_result(PLAN, KEY))
    ledger.close()


async def test_a_journal_cut_anywhere_still_opens(tmp_path: Path) -> None:
    path = tmp_path / "out.journal"
    await journal(path)
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for length in range(first, len(whole) + 1, 211):
        path.write_bytes(whole[:length])
        ledger = JournalLedger.open(path)
        state = await ledger.load()
        acknowledged = whole[: whole.rindex(b"\n", 0, length) + 1]
        assert len(state.commits) == acknowledged.count(b'{"commit"')
        if state.plan is None:
            await ledger.save_plan(PLAN)
        ledger.close()
        reopened = JournalLedger.open(path)
        assert (await reopened.load()).plan == PLAN
        reopened.close()


async def test_one_process_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "out.journal"
    ledger = JournalLedger.create(path, "job", JobRequest())
    with pytest.raises(ConflictError):
        JournalLedger.open(path)
    with pytest.raises(ConflictError):
        JournalLedger.create(path, "job", JobRequest())
    ledger.close()
    JournalLedger.open(path).close()


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "out.journal"
    path.write_text("")
    with pytest.raises(ConflictError):
        JournalLedger.open(path)
