"""What a plan means for the rows of a job: its planned renditions, and how it may grow. Pure."""

from __future__ import annotations

from control_plane.service.views import RenditionView
from transcoder.ladder import Rendition
from transcoder.plan import Plan
from transcoder.trick import TRICK

__all__ = ["extends", "planned_renditions"]


def extends(stored: Plan, new: Plan) -> bool:
    """Whether `new` is `stored` with at most more chunks at its end."""
    if stored.ended:
        return new == stored
    return (
        new.segment_duration == stored.segment_duration
        and new.origin == stored.origin
        and _rungs(new) == _rungs(stored)
        and new.audio == stored.audio
        and new.text == stored.text
        and new.chunks[: len(stored.chunks)] == stored.chunks
    )


def _rungs(plan: Plan) -> tuple[Rendition, ...]:
    return plan.video.renditions if plan.video else ()


def planned_renditions(plan: Plan) -> tuple[RenditionView, ...]:
    """The renditions as planned, before a byte is encoded: `bandwidth` is the cap, in bits per second."""
    video = (
        RenditionView(
            id=rendition.id, kind="video", codecs=rendition.codec, width=rendition.width, height=rendition.height,
            frame_rate=plan.video.frame_rate if plan.video else None, bandwidth=rendition.max_bitrate,
        )
        for rendition in _rungs(plan)
    )  # fmt: skip
    trick = (
        RenditionView(id=TRICK, kind="trick", codecs=own.codec, width=own.width, height=own.height)
        for own in _rungs(plan)
        if plan.video and own.id == plan.video.trick
    )
    audio = (
        RenditionView(id=own.id, kind="audio", codecs=own.codec, bandwidth=own.bitrate, language=track.language)
        for track in plan.audio
        for own in track.renditions
    )
    text = (RenditionView(id=track.id, kind="text", codecs="wvtt", language=track.language) for track in plan.text)
    return (*video, *trick, *audio, *text)
