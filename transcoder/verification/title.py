"""What the groups of checks look at: a package as its manifests and files show it, and what it should be."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from transcoder.media import MediaInfo
from transcoder.packaging.listing import Listing, OpenObject
from transcoder.packaging.package import Package
from transcoder.plan import Plan
from transcoder.text.cues import Cue
from transcoder.verification.track import Track

__all__ = ["PublishedTitle", "SourceTimes"]


@dataclass(frozen=True, slots=True)
class SourceTimes:
    """When the source shows a picture: `pts` in units of `time_base` seconds, increasing, from the first one shown.

    `rate` is the constant rate that the title was to get, in pictures a second; None where each keeps its time.
    """

    time_base: Fraction
    pts: array[int]
    rate: Fraction | None = None


@dataclass(slots=True)
class PublishedTitle:
    """A package under examination. `dash` is None where that manifest cannot be read.

    `tracks` holds every rendition that the manifests name, as far as it was read. `plan`, `media` and `package` are
    None where nobody knows them, and so are `source` and `source_text`, the cues by rendition, where it was not read;
    `keys` are content keys of 16 bytes by key id, None where none were given.
    """

    open_object: OpenObject
    hls: Listing
    dash: Listing | None
    plan: Plan | None = None
    media: MediaInfo | None = None
    package: Package | None = None
    keys: Mapping[str, bytes] | None = None
    source: SourceTimes | None = None
    source_text: Mapping[str, tuple[Cue, ...]] | None = None
    tracks: dict[str, Track] = field(default_factory=dict)

    @property
    def video(self) -> list[Track]:
        """The video renditions that can be read, in the manifest's order: the largest first."""
        return [track for track in self.tracks.values() if track.readable and track.kind == "video"]

    @property
    def audio(self) -> list[Track]:
        """The audio renditions that can be read."""
        return [track for track in self.tracks.values() if track.readable and track.kind == "audio"]
