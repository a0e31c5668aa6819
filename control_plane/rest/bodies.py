"""The JSON of the HTTP API: camelCase names, ids and fractions as strings, times in RFC 3339."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from control_plane.service.health import HealthView
from control_plane.service.views import ErrorView, JobEvent, JobView, PlaybackView, RenditionView, VideoView

__all__ = [
    "CreatedVideoBody",
    "EventBody",
    "HealthBody",
    "JobBody",
    "JobListBody",
    "PlaybackBody",
    "TranscodeBody",
    "VideoBody",
    "VideoListBody",
]


class Body(BaseModel):
    """A part of the wire format."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, serialize_by_alias=True)


class ErrorBody(Body):
    """Why something failed."""

    code: str
    message: str
    details: dict[str, Any]

    @classmethod
    def of(cls, view: ErrorView | None) -> ErrorBody | None:
        """The body of a stored error."""
        return None if view is None else cls(code=view.code, message=view.message, details=view.details)


class MediaBody(Body):
    """The source in short, once it is analysed."""

    container: str
    duration_seconds: float
    width: int | None
    height: int | None
    frame_rate: str | None
    video_codec: str | None
    audio_codecs: list[str]


class VideoBody(Body):
    """A video."""

    id: UUID
    title: str
    status: str
    source_name: str
    size_bytes: int
    sha256: str
    media: MediaBody | None
    package_id: UUID | None
    error: ErrorBody | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, view: VideoView) -> VideoBody:
        """The body of a view."""
        return cls(
            id=view.id, title=view.title, status=view.status, source_name=view.source_name,
            size_bytes=view.size_bytes, sha256=view.sha256, media=_media(view), package_id=view.package_id,
            error=ErrorBody.of(view.error), created_at=view.created_at, updated_at=view.updated_at,
        )  # fmt: skip


def _media(view: VideoView) -> MediaBody | None:
    media = view.media
    if media is None:
        return None
    stream = media.main_video
    width, height = stream.display_size if stream else (None, None)
    return MediaBody(
        container=media.container, duration_seconds=float(media.duration), width=width, height=height,
        frame_rate=str(stream.frame_rate) if stream else None, video_codec=stream.codec if stream else None,
        audio_codecs=[audio.codec for audio in media.audio],
    )  # fmt: skip


class CreatedVideoBody(Body):
    """The answer to an upload."""

    video_id: UUID
    analyze_job_id: UUID
    video: VideoBody


class VideoListBody(Body):
    """A page of videos; an empty token is the last page's."""

    videos: list[VideoBody]
    next_page_token: str


class TranscodeBody(Body):
    """What a transcode is asked to do. Unknown fields are refused: a typing mistake must not be a default."""

    model_config = ConfigDict(extra="forbid")

    ladder: str = Field(default="", max_length=64)
    drm: str = Field(default="", max_length=64)
    priority: int = 0
    labels: dict[str, str] = Field(default_factory=dict)
    request_id: str = ""


class ProgressBody(Body):
    """Committed tasks; the total is 0 until the plan is made."""

    tasks_committed: int
    tasks_total: int


class PlayableBody(Body):
    """How much of the title players can see."""

    segments: int
    seconds: float
    total_seconds: float
    final: bool


class RenditionBody(Body):
    """One rendition: bits per second, pixels, frames per second as a fraction."""

    id: str
    kind: str
    codecs: str
    width: int | None
    height: int | None
    frame_rate: str | None
    bandwidth: int | None
    average_bandwidth: int | None
    size_bytes: int
    language: str | None

    @classmethod
    def of(cls, view: RenditionView) -> RenditionBody:
        """The body of a view."""
        rate = None if view.frame_rate is None else str(view.frame_rate)
        return cls(**{**view.model_dump(), "frame_rate": rate})


class JobBody(Body):
    """A job with its progress."""

    id: UUID
    video_id: UUID
    type: str
    status: str
    ladder: str
    lane: str
    priority: int
    labels: dict[str, str]
    cancel_requested: bool
    retry_of: UUID | None
    package_id: UUID | None
    progress: ProgressBody
    playable: PlayableBody
    renditions: list[RenditionBody]
    error: ErrorBody | None
    report: dict[str, Any] | None
    cursor: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, view: JobView) -> JobBody:
        """The body of a view."""
        published = view.publication
        return cls(
            id=view.id, video_id=view.video_id, type=view.type, status=view.status,
            ladder=view.request.ladder.name, lane=view.request.lane, priority=view.priority, labels=view.labels,
            cancel_requested=view.cancel_requested, retry_of=view.retry_of, package_id=view.package_id,
            progress=ProgressBody(tasks_committed=view.tasks_committed, tasks_total=view.tasks_total),
            playable=PlayableBody(
                segments=published.segments, seconds=float(published.seconds),
                total_seconds=float(published.total_seconds), final=published.final,
            ),
            renditions=[RenditionBody.of(rendition) for rendition in view.renditions],
            error=ErrorBody.of(view.error), report=view.report, cursor=view.cursor, created_at=view.created_at,
            started_at=view.started_at, finished_at=view.finished_at,
        )  # fmt: skip


class JobListBody(Body):
    """A page of jobs; an empty token is the last page's."""

    jobs: list[JobBody]
    next_page_token: str


class EventBody(Body):
    """One step in a job's life, and the job as it was then. `seq` is where a stream can go on."""

    seq: int
    type: str
    at: datetime
    job: JobBody

    @classmethod
    def of(cls, event: JobEvent) -> EventBody:
        """The body of an event."""
        return cls(seq=event.seq, type=event.type, at=event.at, job=JobBody.of(event.job))


class PlaybackBody(Body):
    """How to play a video. URLs are relative references to the API's root and need no other credential."""

    video_id: UUID
    package_id: UUID
    status: str
    hls_url: str
    dash_url: str
    poster_url: str | None
    playable_seconds: float
    duration_seconds: float
    final: bool
    expires_at: datetime

    @classmethod
    def of(cls, view: PlaybackView) -> PlaybackBody:
        """The body of a view."""
        return cls(
            video_id=view.video_id, package_id=view.package_id, status=view.status, hls_url=view.hls_path,
            dash_url=view.dash_path, poster_url=view.poster_path, playable_seconds=view.playable_seconds,
            duration_seconds=view.duration_seconds, final=view.final, expires_at=view.expires_at,
        )  # fmt: skip


class HealthBody(Body):
    """Whether the process can work."""

    role: str
    healthy: bool
    uptime_seconds: float
    database: bool
    redis: bool

    @classmethod
    def of(cls, view: HealthView) -> HealthBody:
        """The body of a view: only the database decides, for Redis may be gone with nothing lost."""
        return cls(**view.model_dump(), healthy=view.database)
