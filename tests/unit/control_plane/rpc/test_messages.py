"""Views to messages."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from uuid import UUID

import pytest

from cluster.documents import JobRequest, Publication
from control_plane.pb.framemill.v1 import transcode_pb2 as pb
from control_plane.rpc.messages import duration, event_message, job_message
from control_plane.service.views import ErrorView, JobEvent, JobStatus, JobType, JobView, RenditionView

MOMENT = datetime(2030, 1, 2, 3, 4, 5, 678900, tzinfo=UTC)


def view(**changes: object) -> JobView:
    job = JobView(
        id=UUID(int=1), owner_id=UUID(int=2), video_id=UUID(int=3), type=JobType.TRANSCODE, status=JobStatus.RUNNING,
        request=JobRequest(), priority=-3, labels={"a": "b"}, cancel_requested=True, retry_of=UUID(int=4),
        package_id=UUID(int=5),
        publication=Publication(segments=2, seconds=Fraction(1001, 500), total_seconds=Fraction(30)),
        tasks_total=9, tasks_committed=4,
        renditions=(
            RenditionView(id="v240", kind="video", codecs="avc1.640015", width=426, height=240,
                          frame_rate=Fraction(30000, 1001), bandwidth=400_000, size_bytes=7),
            RenditionView(id="a0", kind="audio", codecs="mp4a.40.2", language="de"),
        ),
        error=ErrorView(code="UNSUPPORTED_MEDIA", message="cut off"), report=None, cursor=12, created_at=MOMENT,
        started_at=MOMENT, finished_at=None,
    )  # fmt: skip
    return job.model_copy(update=changes)


def test_a_job() -> None:
    message = job_message(view())
    assert message.job_id == str(UUID(int=1))
    assert message.video_id == str(UUID(int=3))
    assert (message.type, message.ladder, message.priority, dict(message.labels)) == (
        "TRANSCODE",
        "h264",
        -3,
        {"a": "b"},
    )
    assert message.state == pb.JOB_STATE_RUNNING
    assert message.cancel_requested
    assert (message.retry_of, message.package_id) == (str(UUID(int=4)), str(UUID(int=5)))
    assert (message.progress.tasks_committed, message.progress.tasks_total) == (4, 9)
    assert (message.playable.segments, message.playable.final) == (2, False)
    assert (message.playable.position.seconds, message.playable.position.nanos) == (2, 2_000_000)
    assert message.playable.total.seconds == 30
    assert [r.kind for r in message.renditions] == [pb.RENDITION_KIND_VIDEO, pb.RENDITION_KIND_AUDIO]
    assert message.renditions[0].frame_rate == "30000/1001"
    assert message.renditions[1].language == "de"
    assert (message.error.code, message.error.message) == ("UNSUPPORTED_MEDIA", "cut off")
    assert message.cursor == 12
    assert message.create_time.ToDatetime(UTC) == MOMENT
    assert message.HasField("start_time")
    assert not message.HasField("end_time")


def test_what_is_not_there_is_empty() -> None:
    message = job_message(view(error=None, retry_of=None, package_id=None, started_at=None, finished_at=MOMENT))
    assert not message.HasField("error")
    assert not message.HasField("start_time")
    assert message.HasField("end_time")
    assert (message.retry_of, message.package_id) == ("", "")


@pytest.mark.parametrize("status", list(JobStatus))
def test_every_state_has_its_value(status: JobStatus) -> None:
    assert pb.JobState.Name(job_message(view(status=status)).state) == f"JOB_STATE_{status}"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (Fraction(0), (0, 0)),
        (Fraction(1, 3), (0, 333_333_333)),
        (Fraction(1001, 1000), (1, 1_000_000)),
        (Fraction(2_999_999_999_9, 10_000_000_000), (3, 0)),
        (Fraction(10**9), (10**9, 0)),
    ],
)
def test_durations_are_exact_to_the_nanosecond(seconds: Fraction, expected: tuple[int, int]) -> None:
    found = duration(seconds)
    assert (found.seconds, found.nanos) == expected


def test_an_event() -> None:
    message = event_message(JobEvent(seq=5, type="job.progress", at=MOMENT, job=view()))
    assert (message.cursor, message.type, message.job.cursor) == (5, "job.progress", 12)
    assert message.event_time.ToDatetime(UTC) == MOMENT
