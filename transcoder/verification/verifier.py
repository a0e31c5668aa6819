"""The groups of checks in their order, and the walk over a package that feeds them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from transcoder.media import MediaInfo
from transcoder.packaging.listing import OpenObject
from transcoder.packaging.package import Package
from transcoder.plan import Plan
from transcoder.text.cues import Cue
from transcoder.verification import (
    audio,
    buffering,
    colour,
    committed,
    decoded,
    files,
    images,
    joins,
    manifests,
    protection,
    quality,
    source_times,
    text,
    trick,
    video,
)
from transcoder.verification.report import Findings, VerifyReport
from transcoder.verification.title import PublishedTitle, SourceTimes
from transcoder.verification.track import Track, read_track

__all__ = ["verify_package"]

_OF_EACH_TRACK: tuple[Callable[[PublishedTitle, Track, Findings], None], ...] = (
    files.check_starts,
    joins.check_joins,
    manifests.check_times,
    protection.check_protection,
)
"""For each rendition whose files can be read, as soon as they were."""

_OF_THE_TITLE: tuple[Callable[[PublishedTitle, Findings], None], ...] = (
    manifests.check_variants,
    video.check_pictures,
    source_times.check_source_times,
    colour.check_colour,
    buffering.check_buffering,
    audio.check_sound,
    trick.check_trick,
    text.check_text,
    images.check_images,
    committed.check_committed,
    quality.check_quality,
)
"""When all renditions were read."""


def verify_package(
    open_object: OpenObject,
    *,
    plan: Plan | None = None,
    media: MediaInfo | None = None,
    package: Package | None = None,
    decode: bool = False,
    keys: Mapping[str, bytes] | None = None,
    source: SourceTimes | None = None,
    source_text: Mapping[str, tuple[Cue, ...]] | None = None,
    growing: bool = False,
) -> VerifyReport:
    """Verify a finished package, given as a function from a path in it to bytes (`NotFoundError` where missing).

    `plan` and `media` tell what the title should be, `package` what was committed, segment by segment, `source`
    when the source shows its pictures (`read_source_times`), `source_text` its cues (`read_source_text`). With
    `decode`, every rendition is decoded in full as well (each file is then read twice): an encrypted one with its
    key from `keys`, content keys of 16 bytes by key id; without `keys` it is left at the container, and a note says
    so. `growing` says that the manifests are to be closed only after this.

    Errors: only those of the store itself (StorageError).
    """
    findings = Findings()
    hls, dash = manifests.read_manifests(open_object, findings, growing=growing)
    if hls is None:
        return findings.report()
    title = PublishedTitle(
        open_object,
        hls,
        dash,
        plan=plan,
        media=media,
        package=package,
        keys=keys,
        source=source,
        source_text=source_text,
    )
    track_checks = (*_OF_EACH_TRACK, decoded.check_decoded) if decode else _OF_EACH_TRACK
    for listed in hls.of_kind("video", "audio", "trick"):
        track = title.tracks[listed.id] = read_track(open_object, listed)
        files.check_files(track, findings)
        if track.readable:
            for check_track in track_checks:
                check_track(title, track, findings)
    for check_title in _OF_THE_TITLE:
        check_title(title, findings)
    return findings.report()
