"""The scheduler of one job: pure decisions. Events in, instructions out; the engine does what they say.

Work comes in units: a video unit settles one task, an audio unit the parts of its track one after the other.
Units start head first, so that playback can start and never catches up, within a bounded window. A failed
unit runs again only when its error says that this may help, three attempts in all; what was committed never
runs again. Nothing here knows a clock, a network or a disk.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from cluster.documents import TaskKey
from transcoder.errors import CanceledError, FramemillError, InternalError

__all__ = [
    "MAX_ATTEMPTS",
    "Cancel",
    "Committed",
    "Complete",
    "Ended",
    "Event",
    "Failed",
    "GiveUp",
    "Instruction",
    "Scheduler",
    "Slots",
    "Start",
    "Stop",
    "Unit",
]

MAX_ATTEMPTS = 3
"""Of a unit; also of the calls that the engine makes beside the units."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Work that one call does. `order` ranks units: lower first. `keys` are the tasks it settles, in order."""

    name: str
    keys: tuple[TaskKey, ...]
    order: tuple[int, ...]
    threadable: bool = False


# Events: what happened.


@dataclass(frozen=True, slots=True)
class Slots:
    """The machines can run so many one-CPU calls at once now, and one call can have `widest` CPUs of one machine."""

    count: int
    widest: int


@dataclass(frozen=True, slots=True)
class Committed:
    """A task was committed, by this engine or by an earlier one."""

    key: TaskKey


@dataclass(frozen=True, slots=True)
class Ended:
    """The call of a unit returned."""

    unit: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The call of a unit raised."""

    unit: str
    error: FramemillError


@dataclass(frozen=True, slots=True)
class Cancel:
    """Somebody asked for the job to be canceled."""


Event = Slots | Committed | Ended | Failed | Cancel


# Instructions: what to do.


@dataclass(frozen=True, slots=True)
class Start:
    """Run the unit with so many threads, for the `attempt`th time; a retry waits a little first."""

    unit: Unit
    threads: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Cancel the running call of the unit."""

    unit: Unit


@dataclass(frozen=True, slots=True)
class Complete:
    """Every task is committed."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The job cannot be done; the error says why."""

    error: FramemillError


Instruction = Start | Stop | Complete | GiveUp


class _State(Enum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"


_ALLOWED = {
    (_State.WAITING, _State.RUNNING),
    (_State.WAITING, _State.DONE),  # committed by an earlier engine
    (_State.RUNNING, _State.DONE),
    (_State.RUNNING, _State.WAITING),  # it failed: a retry, or the end
}


@dataclass(slots=True)
class _Entry:
    unit: Unit
    state: _State = _State.WAITING
    attempts: int = 0
    open_keys: set[TaskKey] = field(default_factory=set)


class Scheduler:
    """The state of one job's units. `handle` takes an event and returns the instructions it leads to."""

    def __init__(self, units: Iterable[Unit]) -> None:
        self._entries = {
            unit.name: _Entry(unit, open_keys=set(unit.keys)) for unit in sorted(units, key=lambda u: u.order)
        }
        self._unit_of = {key: name for name, entry in self._entries.items() for key in entry.unit.keys}
        self._slots = 0
        self._widest = 1
        self._over = False
        self.history: list[Event] = []

    @property
    def window(self) -> int:
        """Calls that may be out at once: every slot, and one that waits for the next slot."""
        return self._slots + 1

    def handle(self, event: Event) -> list[Instruction]:
        """Advance by one event. After `Complete` or `GiveUp` nothing is ever started again."""
        self.history.append(event)
        if self._over:
            return []
        match event:
            case Slots(count, widest):
                self._slots, self._widest = max(1, count), max(1, widest)
            case Committed(key):
                self._entries[self._unit_of[key]].open_keys.discard(key)
                entry = self._entries[self._unit_of[key]]
                if not entry.open_keys and entry.state is _State.WAITING:
                    self._move(entry, _State.DONE)
            case Ended(name):
                entry = self._entries[name]
                if entry.open_keys:
                    self._move(entry, _State.WAITING)
                    missing = ", ".join(sorted(str(key) for key in entry.open_keys))
                    return self._give_up(InternalError(f"a task ended without its result: {missing}"))
                self._move(entry, _State.DONE)
            case Failed(name, error):
                entry = self._entries[name]
                # A process that dies after its last part was committed has done its work.
                self._move(entry, _State.WAITING if entry.open_keys else _State.DONE)
                if entry.state is _State.DONE:
                    return self._advance()
                if not error.retryable or entry.attempts >= MAX_ATTEMPTS:
                    return self._give_up(error)
            case Cancel():
                return self._give_up(CanceledError("the job was canceled"))
        return self._advance()

    def check(self) -> None:
        """Invariants, for tests: called after every event."""
        running = [entry for entry in self._entries.values() if entry.state is _State.RUNNING]
        assert len(running) <= max(self.window, len(running) if self._over else 0), "the window is bounded"
        for entry in self._entries.values():
            assert entry.attempts <= MAX_ATTEMPTS
            assert not (entry.state is _State.DONE and entry.open_keys), "done means all committed"
            assert not (self._over and entry.state is _State.RUNNING), "nothing runs on after the end"

    def _advance(self) -> list[Instruction]:
        if all(entry.state is _State.DONE for entry in self._entries.values()):
            self._over = True
            return [Complete()]
        running = sum(entry.state is _State.RUNNING for entry in self._entries.values())
        waiting = [entry for entry in self._entries.values() if entry.state is _State.WAITING]
        started: list[Instruction] = []
        if self._slots:
            chosen = waiting[: max(0, self.window - running)]
            # Fewer units left than slots: the last ones get the idle processors as threads.
            threads = min(self._widest, max(1, self._slots // max(1, running + len(waiting))))
            for entry in chosen:
                self._move(entry, _State.RUNNING)
                entry.attempts += 1
                started.append(Start(entry.unit, threads if entry.unit.threadable else 1, entry.attempts))
        return started

    def _give_up(self, error: FramemillError) -> list[Instruction]:
        self._over = True
        stops: list[Instruction] = []
        for entry in self._entries.values():
            if entry.state is _State.RUNNING:
                stops.append(Stop(entry.unit))
                entry.state = _State.WAITING
        return [*stops, GiveUp(error)]

    def _move(self, entry: _Entry, state: _State) -> None:
        if (entry.state, state) not in _ALLOWED:
            raise InternalError(
                f"{entry.unit.name} cannot go from {entry.state.value} to {state.value}",
                {"history": [repr(event) for event in self.history[-20:]]},
            )
        entry.state = state
