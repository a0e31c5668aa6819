"""Both manifests are there, agree, and say what the segments really are."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from transcoder.errors import NotFoundError, VerificationError
from transcoder.packaging.listing import Listing, OpenObject, read_dash, read_hls
from transcoder.packaging.package import DASH_MANIFEST, HLS_MANIFEST
from transcoder.verification.report import Findings, in_seconds
from transcoder.verification.title import PublishedTitle
from transcoder.verification.track import Track

__all__ = ["check_times", "check_variants", "read_manifests"]

_PERIOD_TOLERANCE = Fraction(1, 1_000_000)
"""The length of the title is rounded up to the microsecond."""

_EXTINF_TOLERANCE = Fraction(2, 1_000_000)
"""EXTINF has six digits, and each of its two times was rounded."""


def read_manifests(
    open_object: OpenObject, findings: Findings, *, growing: bool
) -> tuple[Listing | None, Listing | None]:
    """Both manifests are there, closed unless the title is `growing`, and name the same segments."""
    listings: list[Listing | None] = []
    for name, read in ((HLS_MANIFEST, read_hls), (DASH_MANIFEST, read_dash)):
        try:
            listings.append(read(open_object))
            findings.same("manifest", None, name, name)
        except (VerificationError, NotFoundError) as error:
            listings.append(None)
            findings.add("manifest", None, False, f"{name} can be read", error.message)
    hls, dash = listings
    if hls is not None and dash is not None:
        state = "HLS open, DASH dynamic" if growing else "HLS closed, DASH static"
        findings.same("manifests-state", None, state, _states(hls, dash))
        findings.none_of("manifests-agree", None, "both name the same segments", _disagreements(hls, dash))
    return hls, dash


def check_times(title: PublishedTitle, track: Track, findings: Findings) -> None:
    """The manifests announce each segment's real time, and the codecs of the init segment."""
    findings.none_of("hls-durations", track.id, "EXTINF is the segment's duration", _wrong_extinf(track))
    if title.dash is None or track.id not in title.dash.renditions:
        return
    listed = title.dash.renditions[track.id]
    times = {segment.path: (segment.start, segment.duration) for segment in listed.segments}
    findings.none_of("dash-times", track.id, "S@t and S@d are the segment's", _wrong_timeline(track, times))
    if track.init is not None:
        findings.same("codecs", track.id, listed.codecs, track.init.codecs)


def check_variants(title: PublishedTitle, findings: Findings) -> None:
    """What players choose by is true: CODECS, BANDWIDTH, languages, and the length of the title."""
    findings.none_of("hls-codecs", None, "CODECS are those of the init segments", _wrong_codecs(title))
    if title.hls.final:
        findings.none_of("hls-bandwidth", None, "no segment is above its variant's BANDWIDTH", _low_bandwidths(title))
    if title.dash is not None:
        findings.none_of("languages", None, "HLS and DASH name the same", _other_languages(title.hls, title.dash))
    tracks = [track for track in title.tracks.values() if track.readable and track.kind in {"video", "audio"}]
    if title.dash is not None and title.dash.final and tracks:
        length, said = max(track.end for track in tracks), title.dash.seconds
        right = said is not None and 0 <= said - length <= _PERIOD_TOLERANCE
        told = "no length" if said is None else in_seconds(said)
        findings.add("dash-duration", None, right, in_seconds(length), told)


def _low_bandwidths(title: PublishedTitle) -> Iterator[str]:
    """A lower bound of the peak of RFC 8216bis, 4.4.6.2: the segments that alone last half a target duration."""
    for variant in title.hls.variants:
        peaks: dict[str, Fraction] = {}
        for track in (title.tracks[name] for name in variant.renditions if name in title.tracks):
            if track.readable and track.kind in {"video", "audio"}:
                peaks[track.kind] = max(peaks.get(track.kind, Fraction(0)), _peak(track))
        if sum(peaks.values()) > variant.bandwidth:
            yield f"{variant.name} needs {float(sum(peaks.values())):.0f}, BANDWIDTH says {variant.bandwidth}"


def _peak(track: Track) -> Fraction:
    """Bits per second of the fullest segment of at least half the target duration."""
    least = Fraction(track.listed.target_seconds or 0, 2)
    spans = [(segment.size_bytes, Fraction(segment.end - segment.start, track.timescale)) for segment in track.segments]
    return max((8 * size / seconds for size, seconds in spans if seconds > 0 and seconds >= least), default=Fraction(0))


def _other_languages(hls: Listing, dash: Listing) -> Iterator[str]:
    for name, ours in hls.renditions.items():
        theirs = dash.renditions.get(name)
        # An HLS variant of sound alone may have no EXT-X-MEDIA that could say it.
        if theirs is not None and ours.kind in {"audio", "text"} and ours.language != theirs.language:
            yield f"{name} is {ours.language or 'of no language'} in HLS, {theirs.language or 'of none'} in DASH"


def _wrong_codecs(title: PublishedTitle) -> Iterator[str]:
    for variant in title.hls.variants:
        inits = [title.tracks[name].init for name in sorted(variant.renditions) if name in title.tracks]
        real = {init.codecs for init in inits if init is not None}
        if len(real) and None not in inits and real != variant.codecs:
            yield f"{variant.name} has {', '.join(sorted(real))}, CODECS says {', '.join(sorted(variant.codecs))}"


def _states(hls: Listing, dash: Listing) -> str:
    return f"HLS {'closed' if hls.final else 'open'}, DASH {'static' if dash.final else 'dynamic'}"


def _disagreements(hls: Listing, dash: Listing) -> Iterator[str]:
    for rendition in sorted(hls.renditions.keys() ^ dash.renditions.keys()):
        yield f"{rendition} is in {'HLS' if rendition in hls.renditions else 'DASH'} only"
    for rendition, ours in hls.renditions.items():
        theirs = dash.renditions.get(rendition)
        if theirs is None:
            continue
        if ours.init != theirs.init:
            yield f"{rendition}: {ours.init} and {theirs.init}"
        paths, others = ([segment.path for segment in listed.segments] for listed in (ours, theirs))
        if paths != others:
            different = next((pair for pair in zip(paths, others, strict=False) if pair[0] != pair[1]), None)
            yield (
                f"{rendition}: {' and '.join(different)}"
                if different
                else (f"{rendition}: {len(paths)} segments in HLS, {len(others)} in DASH")
            )


def _wrong_extinf(track: Track) -> Iterator[str]:
    for segment in track.segments:
        real = Fraction(segment.end - segment.start, track.timescale)
        if abs(real - segment.listed.duration) > _EXTINF_TOLERANCE:
            yield f"{segment.path} lasts {in_seconds(real)}, EXTINF says {in_seconds(segment.listed.duration)}"


def _wrong_timeline(track: Track, times: dict[str, tuple[Fraction | None, Fraction]]) -> Iterator[str]:
    for segment in track.segments:
        start = Fraction(segment.start, track.timescale)
        listed = times.get(segment.path)
        if listed is not None and listed != (start, Fraction(segment.end, track.timescale) - start):
            yield f"{segment.path} starts at {in_seconds(start)}, the timeline differs"
