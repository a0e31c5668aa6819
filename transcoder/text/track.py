"""Text tracks: which of a source's subtitles a title has, and what they are called. Pure."""

from __future__ import annotations

from transcoder.documents import Document
from transcoder.media import MediaInfo, Role, SourceClock

__all__ = ["TextTrack", "text_tracks"]


class TextTrack(Document):
    """One track of subtitles of the title. `forced` ones are shown although nobody asked for subtitles: they
    translate what is foreign to everybody. `indexed`: it can be read without reading the rest of the source."""

    track: int
    id: str
    stream_index: int
    codec: str
    language: str | None
    title: str | None
    roles: tuple[Role, ...]
    default: bool
    forced: bool
    indexed: bool
    clock: SourceClock = SourceClock()


def text_tracks(media: MediaInfo) -> tuple[TextTrack, ...]:
    """The title's text tracks, in the source's order. At most one is a default."""
    chosen = next((stream.index for stream in media.text if stream.default), None)
    return tuple(
        TextTrack(
            track=track, id=f"s{track}", stream_index=stream.index, codec=stream.codec, language=stream.language,
            title=stream.title, roles=stream.roles or ("subtitle",), default=stream.index == chosen,
            forced="forced-subtitle" in stream.roles, indexed=media.container.startswith("mov"),
            clock=media.clock,
        )
        for track, stream in enumerate(media.text)
    )  # fmt: skip
