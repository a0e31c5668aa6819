"""What jobs do to the state of a video."""

from __future__ import annotations

import pytest

from control_plane.domain.video import after_end, after_publication, after_start
from control_plane.service.views import JobStatus, JobType, VideoStatus

V, T, A = VideoStatus, JobType.TRANSCODE, JobType.ANALYZE


@pytest.mark.parametrize(
    ("status", "job_type", "expected"),
    [
        (V.UPLOADED, T, V.PROCESSING),
        (V.FAILED, T, V.PROCESSING),
        (V.UPLOADED, A, V.UPLOADED),
        (V.FAILED, A, V.UPLOADED),
        (V.READY, T, V.READY),
        (V.PLAYABLE, T, V.PLAYABLE),
        (V.REJECTED, T, V.REJECTED),
    ],
)
def test_a_started_job(status: V, job_type: JobType, expected: V) -> None:
    assert after_start(status, job_type) is expected


def test_a_publication_needs_a_segment() -> None:
    assert after_publication(V.PROCESSING, 0) is V.PROCESSING
    assert after_publication(V.PROCESSING, 1) is V.PLAYABLE
    assert after_publication(V.READY, 1) is V.READY


@pytest.mark.parametrize(
    ("status", "job_type", "job_status", "ready", "expected"),
    [
        (V.PLAYABLE, T, JobStatus.SUCCEEDED, True, V.READY),
        (V.PROCESSING, T, JobStatus.FAILED, False, V.FAILED),
        (V.PLAYABLE, T, JobStatus.FAILED, False, V.FAILED),
        (V.PLAYABLE, T, JobStatus.CANCELED, False, V.UPLOADED),
        (V.READY, T, JobStatus.FAILED, True, V.READY),
        (V.READY, T, JobStatus.CANCELED, True, V.READY),
        (V.UPLOADED, A, JobStatus.SUCCEEDED, False, V.UPLOADED),
        (V.UPLOADED, A, JobStatus.FAILED, False, V.FAILED),
        (V.DELETING, T, JobStatus.FAILED, False, V.DELETING),
    ],
)
def test_an_ended_job(status: V, job_type: JobType, job_status: JobStatus, ready: bool, expected: V) -> None:
    assert after_end(status, job_type, job_status, has_ready_package=ready) is expected
