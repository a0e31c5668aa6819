"""Lanes: the hardware paths of a chunk task. One file a technology, all behind `lanes.base.Lane`."""

from __future__ import annotations

from transcoder.errors import ResourceMissingError
from transcoder.lanes.base import Lane
from transcoder.lanes.cpu import CpuLane

__all__ = ["Lane", "open_lane"]


def open_lane(name: str) -> Lane:
    """The lane of that name on this machine; `auto` is the fastest one that is there.

    Errors: ResourceMissingError where the lane cannot work here.
    """
    if name in {"auto", CpuLane.name}:
        return CpuLane()
    raise ResourceMissingError(f"the lane {name!r} is not available on this machine", {"lane": name})
