"""The work loop: claims jobs and runs them."""

from control_plane.pipeline.dispatcher import ClaimedJob, Dispatcher

__all__ = ["ClaimedJob", "Dispatcher"]
