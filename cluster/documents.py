"""The documents of a job: what is asked for, which tasks it has, what was committed."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

from pydantic import AwareDatetime, Field

from transcoder.documents import Document
from transcoder.ladder import BUILT_IN, Ladder
from transcoder.media import MediaInfo
from transcoder.packaging.drm import Encryption, Scheme
from transcoder.plan import Plan
from transcoder.results import PartResult

__all__ = [
    "Commit",
    "JobRequest",
    "JobState",
    "KeyEncryptionKeySpec",
    "PackageEncryption",
    "Publication",
    "StoreSpec",
    "TaskKey",
    "TaskKind",
]

TaskKind = Literal["analyze", "video", "audio", "text", "image", "verify"]


class TaskKey(Document):
    """Names one task of a job, in every table and every log line.

    `video` tasks have one per chunk (track 0), `audio` tasks one per (track, chunk), `text` tasks one per track,
    `image` one for the poster (0, 0) and one for the sprite sheets (0, 1).
    `analyze` and `verify` are run by the engine and are not in the ledger.
    """

    kind: TaskKind
    track: int = 0
    index: int = 0

    def __str__(self) -> str:
        return f"{self.kind}-{self.track}-{self.index:05d}"


class StoreSpec(Document):
    """Where an object store is, in a form that travels to any node. `prefix` is put before every key."""

    kind: Literal["local"] = "local"
    root: str
    prefix: str = ""


class KeyEncryptionKeySpec(Document):
    """Where a node finds the key-encryption key: the place, never the key."""

    kind: Literal["file"] = "file"
    path: str


class PackageEncryption(Document):
    """What a task needs to encrypt: the plan's decisions with the wrapped keys, and where to open those."""

    encryption: Encryption
    kek: KeyEncryptionKeySpec


class JobRequest(Document):
    """What a transcode job is asked to do. Stored with the job; a retry of the job has the same."""

    ladder: Ladder = BUILT_IN["h264"]
    lane: Literal["auto", "cpu"] = "auto"
    drm: Literal["none", "clearkey"] = "none"
    drm_scheme: Scheme = "cbcs"


class Commit(Document):
    """The one committed attempt of a task."""

    key: TaskKey
    attempt: int
    result: PartResult


class Publication(Document):
    """How much of the title players can see. Only ever grows, except that `final` is set once at the end."""

    segments: int = Field(ge=0, description="contiguous segments from the start, on every rendition")
    seconds: Fraction = Fraction(0)
    total_seconds: Fraction = Fraction(0)
    final: bool = False
    available_from: AwareDatetime | None = None


class JobState(Document):
    """Everything the engine needs to go on with a job, read back from the ledger."""

    job_id: str
    request: JobRequest
    media: MediaInfo | None = None
    plan: Plan | None = None
    commits: tuple[Commit, ...] = ()
    attempts: dict[str, int] = Field(default_factory=dict, description="highest attempt number by task key")
    publication: Publication = Publication(segments=0)
