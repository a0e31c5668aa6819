"""What the jobs of a video do to the state its owner sees. Pure.

A video with a READY package stays READY whatever a later job does: a new ladder that fails never takes away
what already plays.
"""

from __future__ import annotations

from control_plane.service.views import JobStatus, JobType, VideoStatus

__all__ = ["after_end", "after_publication", "after_start"]

_FIXED = frozenset({VideoStatus.READY, VideoStatus.REJECTED, VideoStatus.DELETING})
"""States that the work of a job does not change, success apart."""


def after_start(status: VideoStatus, job_type: JobType) -> VideoStatus:
    """The state once a job of the video runs. An analysis shows nothing: the video stays UPLOADED."""
    if status in _FIXED or status is VideoStatus.PLAYABLE:
        return status
    return VideoStatus.PROCESSING if job_type is JobType.TRANSCODE else VideoStatus.UPLOADED


def after_publication(status: VideoStatus, segments: int) -> VideoStatus:
    """The state once `segments` contiguous segments can be played."""
    return status if status in _FIXED or segments == 0 else VideoStatus.PLAYABLE


def after_end(status: VideoStatus, job_type: JobType, job_status: JobStatus, *, has_ready_package: bool) -> VideoStatus:
    """The state once a job of the video has ended as `job_status`."""
    if status in {VideoStatus.REJECTED, VideoStatus.DELETING}:
        return status
    if has_ready_package:
        return VideoStatus.READY
    if job_status is JobStatus.SUCCEEDED:
        return VideoStatus.READY if job_type is JobType.TRANSCODE else status
    return VideoStatus.UPLOADED if job_status is JobStatus.CANCELED else VideoStatus.FAILED
