"""The services that a door needs, together."""

from __future__ import annotations

from dataclasses import dataclass

from control_plane.service.access import AccessService
from control_plane.service.health import HealthService
from control_plane.service.jobs import JobService
from control_plane.service.playback import PlaybackService
from control_plane.service.videos import VideoService

__all__ = ["Services"]


@dataclass(frozen=True, slots=True)
class Services:
    """What the composition root builds once and hands to the HTTP and the gRPC door alike."""

    access: AccessService
    videos: VideoService
    jobs: JobService
    playback: PlaybackService
    health: HealthService
