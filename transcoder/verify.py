"""The join verifier: does a finished package hold every picture and sample of its title, once and in its place?

It works from the outside, as a player does: manifests, init segments, media segments. Where the plan, the source's
`MediaInfo` or the engine's package model is given, it compares with them too. One segment at a time is in memory,
so it runs in a task over any object store as well as on a folder; with `decode` each file is read twice.

A check never raises: damage is a finding with its place. The report decides between READY and FAILED.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path

from transcoder.decoding import decode_rendition
from transcoder.documents import Document
from transcoder.errors import FramemillError, NotFoundError, VerificationError
from transcoder.media import MediaInfo
from transcoder.packaging.drm import Signal
from transcoder.packaging.listing import Listing, OpenObject, read_dash, read_hls
from transcoder.packaging.package import DASH_MANIFEST, HLS_MANIFEST, Package, segment_path
from transcoder.plan import Plan
from transcoder.track import Track, read_track

__all__ = ["Check", "RenditionSummary", "VerifyReport", "folder_opener", "verify_package"]

_AAC_FRAME = 1024
_EXTINF_TOLERANCE = Fraction(2, 1_000_000)
"""EXTINF has six digits, and each of its two times was rounded."""

_CLOCK_JITTER = Fraction(1, 20)
"""How far a source's audio timestamps may wander from its sample count before the audio task mends them."""


class Check(Document):
    """One thing that was checked. `found` names the first place where it does not hold."""

    name: str
    rendition: str | None
    ok: bool
    expected: str
    found: str


class RenditionSummary(Document):
    """What one rendition really holds. `decoded` counts decoded frames, where it was decoded."""

    id: str
    kind: str
    codecs: str
    segments: int
    frames: int
    size_bytes: int
    start_seconds: float
    end_seconds: float
    decoded: int | None = None


class VerifyReport(Document):
    """The outcome: `ok` where every check is. `notes` say what could not be checked."""

    ok: bool
    checks: tuple[Check, ...]
    renditions: tuple[RenditionSummary, ...]
    notes: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that do not hold."""
        return tuple(check for check in self.checks if not check.ok)

    def require_ok(self) -> None:
        """Errors: VerificationError with the first failed check as its message, all of them in its details."""
        if not self.ok:
            first = self.failed[0]
            place = f" of {first.rendition}" if first.rendition else ""
            raise VerificationError(
                f"the check {first.name!r}{place} failed: expected {first.expected}, found {first.found}",
                {"failed": [check.model_dump(mode="json") for check in self.failed]},
            )


def folder_opener(folder: Path) -> OpenObject:
    """Opens the objects of a package in a local folder. A name never leaves the folder, not by a link either."""
    root = folder.resolve()

    def open_object(path: str) -> bytes:
        file = (root / path).resolve()
        if not file.is_relative_to(root) or not file.is_file():
            raise NotFoundError(f"{path} is not in the package", {"path": path})
        return file.read_bytes()

    return open_object


def verify_package(
    open_object: OpenObject,
    *,
    plan: Plan | None = None,
    media: MediaInfo | None = None,
    package: Package | None = None,
    decode: bool = False,
    keys: Mapping[str, bytes] | None = None,
    growing: bool = False,
) -> VerifyReport:
    """Verify a finished package, given as a function from a path in it to bytes (`NotFoundError` where missing).

    `plan` and `media` tell what the title should be, `package` what was committed, segment by segment. With
    `decode`, every rendition is decoded in full as well: an encrypted one with its key from `keys`, content keys of
    16 bytes by key id; without `keys` it is left at the container, and a note says so. `growing` says that the
    manifests are to be closed only after this.

    Errors: only those of the store itself (StorageError).
    """
    verifier = _Verifier(open_object)
    hls, dash = verifier.manifests("HLS open, DASH dynamic" if growing else "HLS closed, DASH static")
    if hls is None:
        return verifier.report()
    tracks: dict[str, Track] = {}
    for rendition in hls.renditions.values():
        track = read_track(open_object, rendition)
        tracks[rendition.id] = track
        verifier.segments(track)
        if track.init is not None and track.segments:
            verifier.times(track, dash)
            verifier.protection(track, dash, plan)
            if decode and verifier.can_decode(track, keys):
                verifier.decoded(track, open_object, keys or {})
    whole = [track for track in tracks.values() if track.init is not None and track.segments]
    video = [track for track in whole if track.kind == "video"]
    audio = [track for track in whole if track.kind == "audio"]
    verifier.title(video, audio, plan, media)
    if plan is not None:
        expected = {r.id for r in plan.video.renditions}
        verifier.same("renditions", None, sorted(expected), sorted(track.id for track in video))
    if package is not None:
        verifier.committed(tracks, package)
    return verifier.report()


class _Verifier:
    """Collects the checks. Each method is one group of them."""

    def __init__(self, open_object: OpenObject) -> None:
        self._open = open_object
        self._checks: list[Check] = []
        self._summaries: dict[str, RenditionSummary] = {}
        self._notes: list[str] = []

    def report(self) -> VerifyReport:
        ok = bool(self._summaries) and all(check.ok for check in self._checks)
        return VerifyReport(
            ok=ok, checks=tuple(self._checks), renditions=tuple(self._summaries.values()), notes=tuple(self._notes)
        )

    def none_of(self, name: str, rendition: str | None, expected: str, problems: Iterable[str]) -> None:
        """A check that holds where there is no problem; the first one is what was found."""
        found = list(problems)
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        self._add(name, rendition, not found, expected, found[0] + more if found else expected)

    def same(self, name: str, rendition: str | None, expected: object, found: object) -> None:
        """A check that holds where two values are equal."""
        self._add(name, rendition, expected == found, str(expected), str(found))

    def _add(self, name: str, rendition: str | None, ok: bool, expected: str, found: str) -> None:
        self._checks.append(Check(name=name, rendition=rendition, ok=ok, expected=expected, found=found))

    def manifests(self, state: str) -> tuple[Listing | None, Listing | None]:
        """Both manifests are there, in the expected state, and name the same segments."""
        listings: list[Listing | None] = []
        for name, read in ((HLS_MANIFEST, read_hls), (DASH_MANIFEST, read_dash)):
            try:
                listings.append(read(self._open))
                self.same("manifest", None, name, name)
            except (VerificationError, NotFoundError) as error:
                listings.append(None)
                self._add("manifest", None, False, f"{name} can be read", error.message)
        hls, dash = listings
        if hls is not None and dash is not None:
            self.same("manifests-state", None, state, _states(hls, dash))
            self.none_of("manifests-agree", None, "both name the same segments", _disagreements(hls, dash))
        return hls, dash

    def segments(self, track: Track) -> None:
        """All files are there, can be read, and fit the init segment."""
        self.none_of("files", track.id, "all files can be read", track.damage)
        if track.init is None or not track.segments:
            return
        self.none_of("segment-start", track.id, "each segment starts with a sync sample", track.late_sync())
        self._summaries[track.id] = RenditionSummary(
            id=track.id, kind=track.kind, codecs=track.init.codecs, segments=len(track.segments),
            frames=len(track.pts), size_bytes=sum(segment.size_bytes for segment in track.segments),
            start_seconds=float(track.start), end_seconds=float(track.end),
        )  # fmt: skip

    def times(self, track: Track, dash: Listing | None) -> None:
        """Presentation goes on without a gap over every join, and the manifests say the same."""
        self.none_of("continuity", track.id, "every join is gapless, pts strictly increasing", track.gaps())
        step = 0 if track.kind == "video" else Fraction(_AAC_FRAME, track.timescale)
        self._add("start", track.id, abs(track.start) <= step, "starts at 0", f"starts at {_seconds(track.start)}")
        self.none_of("hls-durations", track.id, "EXTINF is the segment's duration", _wrong_extinf(track))
        if dash is not None and track.id in dash.renditions:
            listed = dash.renditions[track.id]
            times = {segment.path: (segment.start, segment.duration) for segment in listed.segments}
            self.none_of("dash-times", track.id, "S@t and S@d are the segment's", _wrong_timeline(track, times))
            if track.init is not None:
                self.same("codecs", track.id, listed.codecs, track.init.codecs)

    def protection(self, track: Track, dash: Listing | None, plan: Plan | None) -> None:
        """Scheme and key id are the same in the init segment, in both manifests, and in the plan.

        That every sample of an encrypted track has its encryption information is part of reading the segments.
        """
        found = _protection(track)
        signals = [track.listed.signal]
        if dash is not None and track.id in dash.renditions:
            signals.append(dash.renditions[track.id].signal)
        if plan is not None and track.id in dict(plan.key_classes):
            signals.append(plan.encryption.signal(track.id) if plan.encryption else None)
        for expected in dict.fromkeys(_named(signal) for signal in signals):
            self.same("encryption", track.id, expected, found)

    def can_decode(self, track: Track, keys: Mapping[str, bytes] | None) -> bool:
        """Whether a rendition is in clear or its key is known. Given keys without this one are a failed check."""
        protection = track.init.protection if track.init else None
        if protection is None or (keys is not None and protection.key_id in keys):
            return True
        if keys is None:
            self._notes.append(f"{track.id} is encrypted and was not decoded: no keys were given")
        else:
            self._add("key", track.id, False, f"the key {protection.key_id}", "other keys only")
        return False

    def decoded(self, track: Track, open_object: OpenObject, keys: Mapping[str, bytes]) -> None:
        """Every frame decodes, at the time that the container says."""
        expected, found, problems = array("q", sorted(track.pts)), 0, list[str]()
        protection = track.init.protection if track.init else None
        key = keys[protection.key_id] if protection else None
        try:
            for tick in decode_rendition(track.pieces(open_object), track.kind, key):
                if not problems and (found >= len(expected) or tick != expected[found]):
                    problems.append(f"frame {found} at tick {tick}")
                found += 1
        except FramemillError as error:
            problems.append(error.message)
        if found != len(expected):
            problems.append(f"{found} frames")
        self.none_of("decode", track.id, f"{len(expected)} frames at their times", problems)
        summary = self._summaries[track.id]
        self._summaries[track.id] = summary.model_copy(update={"decoded": found})

    def title(self, video: list[Track], audio: list[Track], plan: Plan | None, media: MediaInfo | None) -> None:
        """Frame counts, lengths, the rungs' boundaries, and the sound against the picture."""
        if not video:
            self._add("renditions", None, False, "a video rendition", "none")
            return
        top = video[0]
        source = media.main_video if media else None
        frames = plan.video.frame_count if plan else source.frame_count if source else len(top.pts)
        length = plan.duration if plan else source.end - source.start if source else top.end
        for track in video:
            self.same("frame-count", track.id, frames, len(track.pts))
            step = max(track.steps, default=0) / Fraction(track.timescale)
            self._add(
                "duration", track.id, abs(track.end - length) <= step, f"{_seconds(length)}", f"{_seconds(track.end)}"
            )
            self.none_of("rung-alignment", track.id, f"cut like {top.id}", _misaligned(top, track))
        for track in audio:
            self._sound(track, top, _sound_end(track.id, plan, media))

    def _sound(self, track: Track, top: Track, source_end: Fraction | None) -> None:
        """The sound is whole access units that cover the title; it starts and ends with the picture.

        It may end later, where the source's does (`source_end`): that is checked where it is known.
        """
        frame = Fraction(_AAC_FRAME, track.timescale)
        odd = sum(step != _AAC_FRAME for step in track.steps)
        self.same("audio-frames", track.id, f"all of {_AAC_FRAME} samples", f"{odd} of another length" if odd else
                  f"all of {_AAC_FRAME} samples")  # fmt: skip
        samples = len(track.pts) * _AAC_FRAME
        least = top.end * track.timescale - _AAC_FRAME
        self._add("audio-samples", track.id, samples >= least, f"at least {float(least):.0f}", str(samples))
        offset = track.start - top.start
        self._add("av-start", track.id, abs(offset) <= frame, f"within {_seconds(frame)}", _seconds(offset))
        if source_end is not None:
            late = track.end - max(top.end, source_end)
            limit = frame if source_end <= top.end else frame + _CLOCK_JITTER
            self._add("av-end", track.id, late <= limit, f"at most {_seconds(limit)} late", _seconds(late))

    def committed(self, tracks: dict[str, Track], package: Package) -> None:
        """Every segment is, byte for byte, the committed one."""
        ids = sorted(rendition.id for rendition in package.renditions)
        self.same("committed-renditions", None, ids, sorted(tracks))
        for rendition in package.renditions:
            track = tracks.get(rendition.id)
            if track is None or track.init is None:
                continue
            self.same(
                "codec-configuration", rendition.id, rendition.codec_config_sha256, track.init.codec_config_sha256
            )
            expected = {segment_path(rendition.id, s.number): s.sha256 for s in rendition.segments}
            found = {segment.path: segment.sha256 for segment in track.segments}
            self.none_of(
                "committed-segments", rendition.id, "every segment is the committed one",
                (f"{path} is another" if path in found else f"{path} is missing"
                 for path in expected if found.get(path) != expected[path]),
            )  # fmt: skip


def _protection(track: Track) -> str:
    """What the init segment says, in the words of `_named`."""
    protection = track.init.protection if track.init else None
    return f"{protection.scheme} with key {protection.key_id}" if protection else "none"


def _named(signal: Signal | None) -> str:
    return f"{signal.scheme} with key {signal.key_id}" if signal else "none"


def _seconds(value: Fraction | int) -> str:
    return f"{float(value):.6f} s"


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
            yield f"{segment.path} lasts {_seconds(real)}, EXTINF says {_seconds(segment.listed.duration)}"


def _wrong_timeline(track: Track, times: dict[str, tuple[Fraction | None, Fraction]]) -> Iterator[str]:
    for segment in track.segments:
        start = Fraction(segment.start, track.timescale)
        listed = times.get(segment.path)
        if listed is not None and listed != (start, Fraction(segment.end, track.timescale) - start):
            yield f"{segment.path} starts at {_seconds(start)}, the timeline differs"


def _misaligned(top: Track, track: Track) -> Iterator[str]:
    """Rungs that a player can switch between have the same boundaries and pictures in each segment."""
    if len(top.segments) != len(track.segments):
        yield f"{len(track.segments)} segments instead of {len(top.segments)}"
    for ours, theirs in zip(track.segments, top.segments, strict=False):
        start, other = Fraction(ours.start, track.timescale), Fraction(theirs.start, top.timescale)
        if (start, ours.frames) != (other, theirs.frames):
            yield f"{ours.path} starts at {_seconds(start)} with {ours.frames} pictures"


def _sound_end(rendition: str, plan: Plan | None, media: MediaInfo | None) -> Fraction | None:
    """Seconds of the title at which the source's track ends, where plan and source are known."""
    if plan is None or media is None or media.main_video is None:
        return None
    index = next((track.stream_index for track in plan.audio if track.id == rendition), None)
    stream = next((stream for stream in media.audio if stream.index == index), None)
    return stream.end - media.main_video.start if stream else None
