"""The text is the source's: every cue of it once, at its time, and no other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from fractions import Fraction
from typing import BinaryIO

from transcoder.media import MediaInfo
from transcoder.text.cues import Cue
from transcoder.text.reader import read_cues
from transcoder.text.track import text_tracks

__all__ = ["differences", "read_source_text"]

_LONGEST = Fraction(timedelta(days=2) // timedelta(seconds=1))
"""Seconds that no title has: where a title ends is the package's to say."""


def read_source_text(file: BinaryIO, media: MediaInfo) -> dict[str, tuple[Cue, ...]]:
    """The cues of each text track of a source by the id of its rendition, on the title's clock.

    Errors: UnsupportedMediaError.
    """
    tracks = text_tracks(media)
    starts = [media.main_video.start] if media.main_video else [audio.start for audio in media.audio]
    read = read_cues(file, tracks, origin=min(starts), length=_LONGEST, boundaries=(0,))
    return {track.id: read[track.track].cues for track in tracks if track.track in read}


def differences(source: Mapping[str, tuple[Cue, ...]], rendition: str, found: set[Cue], end: int) -> Iterator[str]:
    """Where the cues of a rendition that ends at `end` milliseconds are not the source's."""
    expected = {cue._replace(end=min(cue.end, end)) for cue in source.get(rendition, ()) if cue.start < end}
    for what, cues in (("is missing", expected - found), ("is not in the source", found - expected)):
        for cue in sorted(cues):
            yield f"the cue from {cue.start} ms to {cue.end} ms {what}: {cue.payload[:40]!r}"
