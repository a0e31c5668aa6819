"""What the services hand to the doors: immutable views of the truth, free of wire formats and of SQL."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from fractions import Fraction
from typing import Any
from uuid import UUID

from pydantic import Field

from cluster.documents import JobRequest, Publication
from transcoder.documents import Document
from transcoder.media import MediaInfo

__all__ = [
    "ErrorView",
    "JobEvent",
    "JobStatus",
    "JobType",
    "JobView",
    "Page",
    "PlaybackView",
    "Principal",
    "RenditionView",
    "UploadedSource",
    "VideoStatus",
    "VideoView",
]


class JobStatus(StrEnum):
    """The state of a job. CANCELED is our spelling; CANCELLED is gRPC's code."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


class JobType(StrEnum):
    """What a job does. An open set: stages can be added between these."""

    ANALYZE = "ANALYZE"
    TRANSCODE = "TRANSCODE"


class VideoStatus(StrEnum):
    """The state of a video, as its owner sees it."""

    UPLOADING = "UPLOADING"
    UPLOADED = "UPLOADED"
    PROCESSING = "PROCESSING"
    PLAYABLE = "PLAYABLE"
    READY = "READY"
    FAILED = "FAILED"
    REJECTED = "REJECTED"
    DELETING = "DELETING"


class Principal(Document):
    """Who asks. Every query is bound to the owner."""

    owner_id: UUID
    name: str


class ErrorView(Document):
    """A stored error: stable code, a message that may be shown, details for machines."""

    code: str
    message: str
    details: dict[str, Any] = Field(default_factory=dict)


class UploadedSource(Document):
    """A source whose bytes are safely in the source store."""

    key: str
    name: str
    size_bytes: int
    sha256: str
    content_type: str


class RenditionView(Document):
    """One rendition of a package, as shown to people: bits per second, pixels."""

    id: str
    kind: str
    codecs: str
    width: int | None = None
    height: int | None = None
    frame_rate: Fraction | None = None
    bandwidth: int | None = None
    average_bandwidth: int | None = None
    size_bytes: int = 0
    language: str | None = None


class VideoView(Document):
    """A video and the state of its newest work."""

    id: UUID
    owner_id: UUID
    title: str
    status: VideoStatus
    source_name: str
    size_bytes: int
    sha256: str
    media: MediaInfo | None
    package_id: UUID | None
    error: ErrorView | None
    created_at: datetime
    updated_at: datetime


class JobView(Document):
    """A job with its progress. `cursor` is the sequence number of its newest event."""

    id: UUID
    owner_id: UUID
    video_id: UUID
    type: JobType
    status: JobStatus
    request: JobRequest
    priority: int
    labels: dict[str, str]
    cancel_requested: bool
    retry_of: UUID | None
    package_id: UUID | None
    publication: Publication
    tasks_total: int
    tasks_committed: int
    renditions: tuple[RenditionView, ...]
    error: ErrorView | None
    report: dict[str, Any] | None
    cursor: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class JobEvent(Document):
    """One step in a job's life. `seq` counts from 1 without gaps within the job: the resume cursor."""

    seq: int
    type: str
    at: datetime
    job: JobView


class Page(Document):
    """One page of a list; `next_token` is opaque and empty on the last page."""

    items: tuple[Any, ...]
    next_token: str = ""


class PlaybackView(Document):
    """How to play a video: URLs relative to the API's root, valid until `expires_at`."""

    video_id: UUID
    package_id: UUID
    status: VideoStatus
    hls_path: str
    dash_path: str
    poster_path: str | None
    playable_seconds: float
    duration_seconds: float
    final: bool
    expires_at: datetime
