"""The scheduler: events in, instructions out, the same invariants after every event."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.documents import TaskKey
from cluster.scheduler import (
    MAX_ATTEMPTS,
    Cancel,
    Committed,
    Complete,
    Ended,
    Event,
    Failed,
    GiveUp,
    Instruction,
    Scheduler,
    Slots,
    Start,
    Stop,
    Unit,
)
from transcoder.errors import (
    CanceledError,
    InternalError,
    StorageError,
    UnsupportedMediaError,
    WorkerCrashedError,
)


def video(index: int) -> Unit:
    return Unit(f"video-{index}", (TaskKey(kind="video", index=index),), (index, 1), threadable=True)


def audio(parts: int) -> Unit:
    return Unit("audio-0", tuple(TaskKey(kind="audio", index=index) for index in range(parts)), (0, 0))


class Checked:
    """A scheduler whose invariants are checked after every event."""

    def __init__(self, *units: Unit) -> None:
        self.scheduler = Scheduler(units)

    def __call__(self, event: Event) -> list[Instruction]:
        instructions = self.scheduler.handle(event)
        self.scheduler.check()
        return instructions


def starts(instructions: list[Instruction]) -> list[str]:
    return [i.unit.name for i in instructions if isinstance(i, Start)]


def test_head_first_within_the_window() -> None:
    handle = Checked(*(video(index) for index in reversed(range(10))), audio(10))
    assert starts(handle(Slots(2, 2))) == ["audio-0", "video-0", "video-1"]
    handle(Committed(TaskKey(kind="video", index=0)))
    assert starts(handle(Ended("video-0"))) == ["video-2"]


def test_nothing_starts_before_there_is_a_slot() -> None:
    handle = Checked(video(0), video(1))
    assert handle(Committed(TaskKey(kind="video", index=0))) == []
    assert handle(Committed(TaskKey(kind="video", index=1))) == [Complete()]


def test_the_last_units_get_the_idle_processors() -> None:
    handle = Checked(video(0), video(1))
    assert [i.threads for i in handle(Slots(8, 8)) if isinstance(i, Start)] == [4, 4]
    handle = Checked(*(video(index) for index in range(20)))
    assert {i.threads for i in handle(Slots(8, 8)) if isinstance(i, Start)} == {1}


def test_no_unit_asks_for_more_processors_than_one_machine_has() -> None:
    handle = Checked(video(0))
    assert [i.threads for i in handle(Slots(64, 4)) if isinstance(i, Start)] == [4]


def test_what_was_committed_before_never_runs_again() -> None:
    handle = Checked(video(0), video(1), audio(2))
    for key in (TaskKey(kind="video", index=0), TaskKey(kind="audio", index=0)):
        handle(Committed(key))
    assert starts(handle(Slots(4, 4))) == ["audio-0", "video-1"]


def test_a_retryable_error_is_tried_three_times_in_all() -> None:
    handle = Checked(video(0))
    (first,) = handle(Slots(1, 1))
    assert isinstance(first, Start)
    assert first.attempt == 1
    for attempt in range(2, MAX_ATTEMPTS + 1):
        (again,) = handle(Failed("video-0", WorkerCrashedError("killed")))
        assert isinstance(again, Start)
        assert again.attempt == attempt
    error = StorageError("gone")
    assert handle(Failed("video-0", error)) == [GiveUp(error)]


def test_a_death_after_the_last_commit_is_no_failure() -> None:
    handle = Checked(video(0))
    handle(Slots(1, 1))
    handle(Committed(TaskKey(kind="video", index=0)))
    assert handle(Failed("video-0", UnsupportedMediaError("whatever"))) == [Complete()]


def test_an_error_that_will_not_pass_ends_the_job_at_once() -> None:
    handle = Checked(video(0), video(1))
    handle(Slots(2, 2))
    error = UnsupportedMediaError("broken")
    assert handle(Failed("video-0", error)) == [Stop(video(1)), GiveUp(error)]
    assert handle(Slots(9, 9)) == []


def test_cancel_stops_everything() -> None:
    handle = Checked(video(0), video(1), video(2))
    handle(Slots(1, 1))
    *stops, last = handle(Cancel())
    assert stops == [Stop(video(0)), Stop(video(1))]
    assert isinstance(last, GiveUp)
    assert isinstance(last.error, CanceledError)
    assert handle(Ended("video-0")) == []


def test_a_unit_that_ends_without_its_result_is_a_bug() -> None:
    handle = Checked(video(0))
    handle(Slots(1, 1))
    (last,) = handle(Ended("video-0"))
    assert isinstance(last, GiveUp)
    assert isinstance(last.error, InternalError)


def test_an_illegal_step_raises_with_the_history() -> None:
    handle = Checked(video(0), video(1))
    with pytest.raises(InternalError) as caught:
        handle(Failed("video-0", StorageError("never started")))
    assert "Failed" in caught.value.details["history"][-1]


@given(data=st.data(), units=st.integers(1, 8), parts=st.integers(1, 4), slots=st.integers(1, 5))
def test_every_job_ends_exactly_once(data: st.DataObject, units: int, parts: int, slots: int) -> None:
    handle = Checked(*(video(index) for index in range(units)), audio(parts))
    running: dict[str, Unit] = {}
    settled: set[TaskKey] = set()
    ends: list[Instruction] = []

    def obey(instructions: list[Instruction]) -> None:
        for instruction in instructions:
            match instruction:
                case Start(unit):
                    assert unit.name not in running
                    assert not set(unit.keys) <= settled
                    running[unit.name] = unit
                case Stop(unit):
                    del running[unit.name]
                case _:
                    ends.append(instruction)

    obey(handle(Slots(slots, slots)))
    while running and not ends:
        name = data.draw(st.sampled_from(sorted(running)))
        unit = running.pop(name)
        if data.draw(st.integers(0, 4)) == 0:
            obey(handle(Failed(name, WorkerCrashedError("x"))))
            continue
        for key in unit.keys:
            if key not in settled:
                settled.add(key)
                obey(handle(Committed(key)))
        obey(handle(Ended(name)))
    assert len(ends) == 1
    assert not running
