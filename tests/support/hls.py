"""Which media playlists an HLS stream has, for decoders that are given one rendition at a time.

FFmpeg's HLS demuxer, given a multivariant playlist, stumbles over the first packet of every variant that is not
selected ("Invalid NAL unit size", also on streams that FFmpeg wrote). So each rendition is decoded by its own playlist.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import httpx
import m3u8

__all__ = ["MediaPlaylists", "fetch_first_segments", "media_playlists", "segments"]


@dataclass(frozen=True)
class MediaPlaylists:
    """Paths or URLs of the media playlists, each once: video in the multivariant playlist's order, audio by name."""

    video: tuple[str, ...]
    audio: tuple[str, ...]


def media_playlists(master: str | Path) -> MediaPlaylists:
    """Read a multivariant playlist from a path or a URL."""
    document = m3u8.loads(_text(master))
    # A picture comes with every audio group, a sound may be in several; a variant without a size is sound alone.
    video = dict.fromkeys(own.uri for own in document.playlists if own.stream_info.resolution)
    audio = {own.uri for own in document.media if own.type == "AUDIO"}
    return MediaPlaylists(
        video=tuple(_join(master, uri) for uri in video),
        audio=tuple(_join(master, uri) for uri in sorted(audio, key=lambda uri: uri.removesuffix(".m3u8"))),
    )


def segments(playlist: str | Path) -> tuple[str, ...]:
    """Paths or URLs of the segments that a media playlist names now."""
    return tuple(_join(playlist, segment.uri) for segment in m3u8.loads(_text(playlist)).segments)


def fetch_first_segments(master: str) -> int:
    """Fetch the first segment of every rendition, as a player without any other credential; gives their number.

    Errors: httpx.HTTPStatusError where one is not served.
    """
    playlists = media_playlists(master)
    for playlist in playlists.video + playlists.audio:
        httpx.get(segments(playlist)[0], trust_env=False).raise_for_status()
    return len(playlists.video + playlists.audio)


def _text(source: str | Path) -> str:
    if "://" in str(source):
        return httpx.get(str(source), trust_env=False).raise_for_status().text
    return Path(source).read_text(encoding="utf-8")


def _join(base: str | Path, reference: str) -> str:
    return urljoin(str(base), reference) if "://" in str(base) else str(Path(base).parent / reference)
