"""The transition table of a job."""

from __future__ import annotations

import itertools
import pickle

import pytest

from control_plane.domain.job import LIVE, TERMINAL, TERMINAL_EVENTS, TRANSITIONS, IllegalTransition, advance
from control_plane.service.views import JobStatus

Q, R, S, F, C = JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELED
LEGAL = {(Q, R), (Q, C), (R, S), (R, F), (R, C)}


@pytest.mark.parametrize(("before", "to"), list(itertools.product(JobStatus, JobStatus)))
def test_only_the_legal_steps_exist(before: JobStatus, to: JobStatus) -> None:
    if (before, to) in LEGAL:
        assert advance((before,), to) == (before, to)
    else:
        with pytest.raises(IllegalTransition):
            advance((before,), to)


def test_a_job_is_born_queued() -> None:
    assert advance((), Q) == (Q,)
    for status in set(JobStatus) - {Q}:
        with pytest.raises(IllegalTransition):
            advance((), status)


def test_an_illegal_step_tells_the_history_also_after_pickling() -> None:
    with pytest.raises(IllegalTransition) as caught:
        advance((Q, R, F), R)
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
    assert again.code == "CONFLICT"
    assert again.details == {"history": ["QUEUED", "RUNNING", "FAILED"], "to": "RUNNING"}


def test_every_state_is_live_or_terminal() -> None:
    assert set(TRANSITIONS) == set(JobStatus)
    assert {Q, R} == LIVE
    assert TERMINAL == {S, F, C} == set(TERMINAL_EVENTS.values())
