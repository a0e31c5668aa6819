"""The ports of the engine. An adapter is one file named after its technology.

Every adapter of a port passes the same contract suite in tests/contract.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from cluster.documents import JobState, KeyEncryptionKeySpec, Publication, TaskKey
from transcoder.errors import FramemillError
from transcoder.media import MediaInfo
from transcoder.packaging.drm import Encryption, Scheme
from transcoder.plan import Plan
from transcoder.results import PartResult

__all__ = ["JobLedger", "KeyIssuer", "ObjectInfo", "ObjectStore", "Part", "Runtime", "TaskCall"]


class JobLedger(Protocol):
    """The truth about one job that is being worked on, written by exactly one engine at a time.

    Every writing method raises LeaseLostError when another engine owns the job by now; nothing is written then.
    """

    async def load(self) -> JobState:
        """The state of the job as committed so far."""
        ...

    async def save_media(self, media: MediaInfo) -> None:
        """Store what the analysis found. Idempotent."""
        ...

    async def save_plan(self, plan: Plan) -> None:
        """Store the plan. A plan that is stored may only be extended: earlier chunks never change."""
        ...

    async def begin_attempt(self, key: TaskKey) -> int:
        """Record that a new attempt of a task starts, and give its number: 1, 2, 3 and so on.

        Raises ConflictError when the task is committed: a committed task never runs again.
        """
        ...

    async def fail_attempt(self, key: TaskKey, attempt: int, error: FramemillError) -> None:
        """Record how an attempt ended without a commit."""
        ...

    async def commit(self, key: TaskKey, attempt: int, result: PartResult) -> bool:
        """Commit the attempt by compare-and-set. False when another attempt of the task is committed already."""
        ...

    async def publish(self, publication: Publication) -> None:
        """Record what players can see. Called after the manifests are written; never goes back."""
        ...

    async def cancel_requested(self) -> bool:
        """Whether somebody asked for the job to be canceled."""
        ...

    async def succeed(self, report: dict[str, object]) -> None:
        """End the job as SUCCEEDED: the package becomes the video's, in the same transaction."""
        ...

    async def fail(self, error: FramemillError) -> None:
        """End the job as FAILED (or CANCELED, for a CanceledError), with the error's code and message."""
        ...


class KeyIssuer(Protocol):
    """Gives one package its content keys. Synchronous; asynchronous callers use a thread."""

    @property
    def kek(self) -> KeyEncryptionKeySpec:
        """Where the nodes find what opens the wrapped keys."""
        ...

    def issue(self, plan: Plan, scheme: Scheme) -> Encryption:
        """Decide how the planned package is encrypted. Its keys are safe when this returns, and not before: what is
        encrypted under a key that is lost is lost. The same package always has the same keys.

        Raises ResourceMissingError where the keys cannot be had, ConflictError where they are another package's.
        """
        ...


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One stored object. `etag` changes whenever the bytes do; `modified` is seconds since the epoch."""

    key: str
    size: int
    etag: str
    modified: float


class ObjectStore(Protocol):
    """Bytes under keys. A key is relative, with `/` between its parts, and can never leave the store.

    An invalid key raises InvalidInputError, a missing object NotFoundError, anything else StorageError.
    All methods are synchronous; asynchronous callers use a thread.
    """

    def create(self, key: str, data: bytes | Path) -> ObjectInfo:
        """Store a new object atomically and durably: whole or not at all, never over an existing one.

        Raises AlreadyExistsError when the key is taken.
        """
        ...

    def replace(self, key: str, data: bytes) -> ObjectInfo:
        """Store an object atomically whether or not it exists. Only for manifests, which grow."""
        ...

    def link(self, source: str, target: str) -> ObjectInfo:
        """Make the bytes of `source` also available under `target`, without moving them through this process.

        Idempotent when `target` has the same bytes already; AlreadyExistsError when it has others.
        """
        ...

    def stat(self, key: str) -> ObjectInfo:
        """Size and etag of an object."""
        ...

    def open(self, key: str) -> BinaryIO:
        """A seekable reader that fetches only what is read."""
        ...

    def read(self, key: str) -> bytes:
        """A whole small object, such as a manifest."""
        ...

    def stream(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes [start, end) in pieces, never the whole object in memory."""
        ...

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """The objects whose key begins with `prefix`, in the order of their keys."""
        ...

    def delete(self, key: str) -> None:
        """Remove an object. Removing what is not there is no error."""
        ...

    def delete_prefix(self, prefix: str) -> int:
        """Remove all objects below a folder-like prefix; the number removed."""
        ...


@dataclass(frozen=True, slots=True)
class Part:
    """One delivery of a running task: the task key it settles and its result."""

    key: TaskKey
    result: object


@dataclass(frozen=True, slots=True)
class TaskCall:
    """A function to run on some node, with the resources it takes. `arguments` must pickle.

    `seconds` is how long it may run, None for any time. The clock starts with the function: a busy cluster, on which
    it waits for a processor, is no failure of the task. `memory_bytes` is what it may allocate, None for any amount.
    """

    name: str
    function: Callable[..., Iterator[Part]]
    arguments: tuple[object, ...]
    cpus: float = 1.0
    seconds: float | None = None
    memory_bytes: int | None = None


class Runtime(Protocol):
    """Places task calls on machines."""

    @property
    def slots(self) -> int:
        """How many one-CPU tasks can run at once now; at least 1."""
        ...

    @property
    def widest(self) -> int:
        """The most CPUs that one task can have: those of the largest machine; at least 1."""
        ...

    def run(self, call: TaskCall) -> AsyncIterator[Part]:
        """Run a call and yield its parts as they come.

        Errors of the task are raised as FramemillError; a dead process is WorkerCrashedError, one that ran longer
        than the call allows is TaskTimeoutError, one that needed more memory MemoryExceededError (or a dead process,
        where the code that got none does not look). Closing the iterator stops the task: its process is killed within
        5 s. No other call ever suffers from that.
        """
        ...
