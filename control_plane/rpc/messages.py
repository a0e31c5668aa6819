"""Views to messages of framemill.v1: the only place where the two meet."""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from control_plane.pb.framemill.v1 import transcode_pb2 as pb
from control_plane.service.views import ErrorView, JobEvent, JobStatus, JobView, RenditionView

__all__ = ["duration", "error_message", "event_message", "job_message", "rendition_message", "timestamp"]

_STATES = {
    JobStatus.QUEUED: pb.JOB_STATE_QUEUED,
    JobStatus.RUNNING: pb.JOB_STATE_RUNNING,
    JobStatus.SUCCEEDED: pb.JOB_STATE_SUCCEEDED,
    JobStatus.FAILED: pb.JOB_STATE_FAILED,
    JobStatus.CANCELED: pb.JOB_STATE_CANCELED,
}

_KINDS = {
    "video": pb.RENDITION_KIND_VIDEO,
    "audio": pb.RENDITION_KIND_AUDIO,
    "text": pb.RENDITION_KIND_TEXT,
    "trick": pb.RENDITION_KIND_TRICK,
}

_NANOS = 1_000_000_000


def timestamp(moment: datetime) -> Timestamp:
    """A moment with its zone as a Timestamp."""
    message = Timestamp()
    message.FromDatetime(moment)
    return message


def duration(seconds: Fraction) -> Duration:
    """Exact seconds as a Duration, rounded to the nanosecond: the wire can carry no finer time."""
    whole, nanos = divmod(round(seconds * _NANOS), _NANOS)
    return Duration(seconds=whole, nanos=nanos)


def rendition_message(view: RenditionView) -> pb.Rendition:
    """A rendition."""
    return pb.Rendition(
        id=view.id,
        kind=_KINDS.get(view.kind, pb.RENDITION_KIND_UNSPECIFIED),
        codecs=view.codecs,
        width=view.width or 0,
        height=view.height or 0,
        frame_rate="" if view.frame_rate is None else str(view.frame_rate),
        bandwidth=view.bandwidth or 0,
        average_bandwidth=view.average_bandwidth or 0,
        size_bytes=view.size_bytes,
        language=view.language or "",
    )


def error_message(view: ErrorView) -> pb.JobError:
    """A stored error."""
    return pb.JobError(code=view.code, message=view.message)


def job_message(view: JobView) -> pb.Job:
    """A job with its progress."""
    published = view.publication
    return pb.Job(
        job_id=str(view.id),
        video_id=str(view.video_id),
        type=view.type,
        state=_STATES[view.status],
        ladder=view.request.ladder.name,
        drm="none",
        priority=view.priority,
        labels=view.labels,
        cancel_requested=view.cancel_requested,
        retry_of="" if view.retry_of is None else str(view.retry_of),
        package_id="" if view.package_id is None else str(view.package_id),
        progress=pb.TaskProgress(tasks_committed=view.tasks_committed, tasks_total=view.tasks_total),
        playable=pb.PlayablePosition(
            segments=published.segments,
            position=duration(published.seconds),
            total=duration(published.total_seconds),
            final=published.final,
        ),
        renditions=[rendition_message(rendition) for rendition in view.renditions],
        error=None if view.error is None else error_message(view.error),
        cursor=view.cursor,
        create_time=timestamp(view.created_at),
        start_time=None if view.started_at is None else timestamp(view.started_at),
        end_time=None if view.finished_at is None else timestamp(view.finished_at),
    )


def event_message(event: JobEvent) -> pb.WatchJobResponse:
    """One event of a job."""
    return pb.WatchJobResponse(
        cursor=event.seq, type=event.type, event_time=timestamp(event.at), job=job_message(event.job)
    )
