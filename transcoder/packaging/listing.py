"""What the manifests of a package name, read back from the outside: the verifier's view, and any player's.

The manifests are hostile input: a name that leaves the package is an error, and so is a list without an end.
"""

from __future__ import annotations

import base64
import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, NamedTuple
from xml.etree import ElementTree as ET

import m3u8

from transcoder.errors import VerificationError
from transcoder.packaging.dash import CENC_NAMESPACE, TILES, TRICK_MODE
from transcoder.packaging.drm import Signal
from transcoder.packaging.hls import CLEARKEY_FORMAT, CLEARKEY_URI
from transcoder.packaging.package import DASH_MANIFEST, HLS_MANIFEST
from transcoder.results import Kind

__all__ = [
    "ListedImages",
    "ListedRendition",
    "ListedSegment",
    "ListedVariant",
    "Listing",
    "OpenObject",
    "read_dash",
    "read_hls",
]

OpenObject = Callable[[str], bytes]
"""Gives the bytes of an object by its path in the package; NotFoundError where there is none."""

_MOST_SEGMENTS = 1_000_000
_DASH = "{urn:mpeg:dash:schema:mpd:2011}"
_PERIOD = re.compile(r"PT(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9}(?:\.\d{1,9})?)S)?")
"""The xs:duration of a length that is less than a day's, or counted in hours."""

_MEDIA_KINDS: dict[str, Kind] = {"AUDIO": "audio", "SUBTITLES": "text"}
_SET_KINDS: dict[str, Kind] = {"video": "video", "audio": "audio", "text": "text"}


class ListedSegment(NamedTuple):
    """A media segment as a manifest names it, in seconds of the title. HLS gives no start."""

    path: str
    duration: Fraction
    start: Fraction | None = None


@dataclass(frozen=True, slots=True)
class ListedRendition:
    """A rendition as a manifest names it; its id is the folder of its segments.

    `init` is its init segment, empty for text, which has none. `signal` is the encryption that the manifest speaks of;
    None where it speaks of none. `language` is that of sound or text; `target_seconds` is HLS's target duration.
    """

    id: str
    kind: Kind
    init: str
    segments: tuple[ListedSegment, ...]
    codecs: str | None = None
    signal: Signal | None = None
    language: str | None = None
    target_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class ListedImages:
    """Sheets of small pictures as a manifest names them: how many a sheet has side by side and one above the other,
    how many seconds each stands for, and the paths of the sheets."""

    layout: str
    interval: Fraction
    paths: tuple[str, ...]


class ListedVariant(NamedTuple):
    """What an HLS player chooses among: a playlist, the codecs and the bits per second that it announces, and the
    renditions that they are for, of which it plays one of each kind."""

    name: str
    codecs: frozenset[str]
    bandwidth: int
    renditions: frozenset[str]


@dataclass(frozen=True, slots=True)
class Listing:
    """All renditions of one manifest; `final` where it promises that nothing is added any more. DASH has no
    variants; only it says how many seconds the title has."""

    renditions: dict[str, ListedRendition]
    final: bool
    images: ListedImages | None = None
    variants: tuple[ListedVariant, ...] = ()
    seconds: Fraction | None = None

    def of_kind(self, *kinds: Kind) -> list[ListedRendition]:
        """The renditions of some kinds, in the manifest's order."""
        return [rendition for rendition in self.renditions.values() if rendition.kind in kinds]


def read_hls(open_object: OpenObject) -> Listing:
    """The HLS multivariant playlist and all its media playlists.

    Errors: VerificationError where one is damaged, NotFoundError where one is missing.
    """
    master = _playlist(open_object, HLS_MANIFEST)
    kinds: dict[str, Kind] = {variant.uri: "video" for variant in master.playlists}
    kinds |= {frames.uri: "trick" for frames in master.iframe_playlists}
    kinds |= {media.uri: _MEDIA_KINDS.get(media.type, "audio") for media in master.media if media.uri}
    languages = {media.uri: media.language for media in master.media if media.uri}
    renditions: dict[str, ListedRendition] = {}
    ids: dict[str, str] = {}
    final = bool(kinds)
    for name, kind in kinds.items():
        path = _inside(HLS_MANIFEST, name)
        playlist = _playlist(open_object, path)
        if not playlist.segments or (playlist.segments[0].init_section is None) != (kind == "text"):
            raise _wrong(path, "it has no segments, or its init segment is missing or of no use")
        if playlist.is_i_frames_only != (kind == "trick"):
            raise _wrong(path, "it is for pictures of their own, and its variant is not, or the other way round")
        if len({str(segment.init_section) for segment in playlist.segments}) != 1:
            raise _wrong(path, "it has more than one init segment")
        if len({str(segment.key) for segment in playlist.segments}) != 1:
            raise _wrong(path, "its segments have several keys")
        final = final and playlist.is_endlist and playlist.playlist_type == "vod"
        try:
            segments = tuple(
                # repr gives back the digits that stand in the playlist.
                ListedSegment(_inside(path, segment.uri), Fraction(repr(float(segment.duration))))
                for segment in playlist.segments
            )
            target = int(playlist.target_duration)
        except (TypeError, ValueError, OverflowError) as error:
            raise _wrong(path, f"a number is missing or not valid: {error}") from error
        if max(round(segment.duration) for segment in segments) > target:
            raise _wrong(path, "a segment is longer than the target duration")
        init = "" if kind == "text" else _inside(path, playlist.segments[0].init_section.uri)
        signal = _hls_signal(path, playlist.segments[0].key)
        rendition = replace(
            _rendition(kind, init, segments, signal=signal), language=languages.get(name), target_seconds=target
        )
        _add(renditions, rendition)
        ids[name] = rendition.id
    return Listing(renditions, final, _hls_images(open_object, master), tuple(_variants(master, ids)))


def _variants(master: Any, ids: dict[str, str]) -> Iterator[ListedVariant]:
    """The variants and the playlists of keyframes, by the ids of what their playlists name."""
    for variant in master.playlists:
        info = variant.stream_info
        group = [media for media in master.media if media.type == "AUDIO" and media.group_id == info.audio]
        sounds = {ids[media.uri] for media in group if media.uri}
        bandwidth = _bandwidth(info)
        yield ListedVariant(variant.uri, _codecs(info.codecs), bandwidth, frozenset({ids[variant.uri]} | sounds))
    for frames in master.iframe_playlists:
        info = frames.iframe_stream_info
        yield ListedVariant(frames.uri, _codecs(info.codecs), _bandwidth(info), frozenset({ids[frames.uri]}))


def _bandwidth(info: Any) -> int:
    try:
        return int(info.bandwidth)
    except (TypeError, ValueError) as error:
        raise _wrong(HLS_MANIFEST, "a variant has no valid BANDWIDTH") from error


def _codecs(attribute: str | None) -> frozenset[str]:
    return frozenset(name.strip() for name in (attribute or "").split(",") if name.strip())


def _hls_images(open_object: OpenObject, master: Any) -> ListedImages | None:
    for listed in master.image_playlists:
        path = _inside(HLS_MANIFEST, listed.uri)
        playlist = _playlist(open_object, path)
        try:
            tiles = {
                (str(tile.get("layout")), Fraction(repr(float(tile.get("duration", 0)))))
                for tile in playlist.data["tiles"]
            }
        except (TypeError, ValueError) as error:
            raise _wrong(path, f"a number is missing or not valid: {error}") from error
        if not playlist.is_images_only or len(tiles) != 1:
            raise _wrong(path, "its pictures are not laid out alike")
        [(layout, interval)] = tiles
        return ListedImages(layout, interval, tuple(_inside(path, segment.uri) for segment in playlist.segments))
    return None


def read_dash(open_object: OpenObject) -> Listing:
    """The DASH manifest. Errors: VerificationError where it is damaged, NotFoundError where it is missing."""
    try:
        # Expat itself limits how far entities may expand, and fetches none from outside.
        root = ET.fromstring(open_object(DASH_MANIFEST))  # noqa: S314
    except ET.ParseError as error:
        raise _wrong(DASH_MANIFEST, str(error)) from error
    renditions: dict[str, ListedRendition] = {}
    images: ListedImages | None = None
    for own in root.iterfind(f"{_DASH}Period/{_DASH}AdaptationSet"):
        template = own.find(f"{_DASH}SegmentTemplate")
        if template is None:
            raise _wrong(DASH_MANIFEST, "an adaptation set has no segment template")
        if own.get("contentType") == "image":
            images = _dash_images(own, template)
            continue
        try:
            timeline = list(_timeline(template))
            number = int(template.get("startNumber", "1"))
        except (ValueError, ZeroDivisionError) as error:
            raise _wrong(DASH_MANIFEST, f"a number is not valid: {error}") from error
        kind = _dash_kind(own)
        for representation in own.iterfind(f"{_DASH}Representation"):
            name = {"RepresentationID": representation.get("id", "")}
            segments = tuple(
                ListedSegment(_expand(template, "media", {**name, "Number": str(number + index)}), duration, start)
                for index, (start, duration) in enumerate(timeline)
            )
            init = "" if kind == "text" else _expand(template, "initialization", name)
            listed = _rendition(kind, init, segments, representation.get("codecs"), _dash_signal(own))
            _add(renditions, replace(listed, language=own.get("lang")))
    final = root.get("type", "static") == "static"
    return Listing(renditions, final, images, seconds=_seconds(root.get("mediaPresentationDuration", "")))


def _seconds(duration: str) -> Fraction | None:
    found = _PERIOD.fullmatch(duration)
    if found is None:
        return None
    hours, minutes, seconds = (Fraction(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds


def _dash_images(own: ET.Element, template: ET.Element) -> ListedImages:
    """Sheets of one duration each (DASH-IF IOP 4.3, 6.2.6), the last one named."""
    found = own.find(f"{_DASH}Representation/{_DASH}EssentialProperty[@schemeIdUri='{TILES}']")
    layout = found.get("value", "") if found is not None else ""
    columns, _, rows = layout.partition("x")
    try:
        seconds = Fraction(int(template.get("duration", "0")), int(template.get("timescale", "1")))
        interval = seconds / (int(columns) * int(rows))
        first, last = int(template.get("startNumber", "1")), int(template.get("endNumber", "0"))
    except (ValueError, ZeroDivisionError) as error:
        raise _wrong(DASH_MANIFEST, f"a number is not valid: {error}") from error
    if interval <= 0 or last - first >= _MOST_SEGMENTS:
        raise _wrong(DASH_MANIFEST, "its tiles are not valid")
    paths = (_expand(template, "media", {"Number": str(number)}) for number in range(first, last + 1))
    return ListedImages(layout, interval, tuple(paths))


def _playlist(open_object: OpenObject, path: str) -> Any:
    data = open_object(path)
    try:
        return m3u8.loads(data.decode("utf-8"))
    except Exception as error:  # the parser raises whatever it trips over
        raise _wrong(path, f"{type(error).__name__}: {error}") from error


def _timeline(template: ET.Element) -> Iterator[tuple[Fraction, Fraction]]:
    """Start and duration of each segment in seconds (ISO/IEC 23009-1, 5.3.9.6)."""
    timescale, time, count = int(template.get("timescale", "1")), 0, 0
    for entry in template.iterfind(f"{_DASH}SegmentTimeline/{_DASH}S"):
        time, duration, repeat = int(entry.get("t", time)), int(entry.get("d", "0")), int(entry.get("r", "0"))
        count += repeat + 1
        if repeat < 0 or duration <= 0 or count > _MOST_SEGMENTS:
            raise _wrong(DASH_MANIFEST, "a segment timeline is not valid")
        for _ in range(repeat + 1):
            yield Fraction(time, timescale), Fraction(duration, timescale)
            time += duration


def _expand(template: ET.Element, attribute: str, values: dict[str, str]) -> str:
    text = template.get(attribute, "")
    for name, value in values.items():
        text = text.replace(f"${name}$", value)
    return _inside(DASH_MANIFEST, text)


def _rendition(
    kind: Kind,
    init: str,
    segments: tuple[ListedSegment, ...],
    codecs: str | None = None,
    signal: Signal | None = None,
) -> ListedRendition:
    first = init or (segments[0].path if segments else "")
    return ListedRendition(posixpath.basename(posixpath.dirname(first)), kind, init, segments, codecs, signal)


def _dash_kind(own: ET.Element) -> Kind:
    """What an adaptation set holds."""
    kind = own.get("contentType", "")
    if kind not in _SET_KINDS:
        raise _wrong(DASH_MANIFEST, f"an adaptation set is of the type {kind!r}")
    schemes = {each.get("schemeIdUri") for each in own.iterfind(f"{_DASH}EssentialProperty")}
    return "trick" if TRICK_MODE in schemes else _SET_KINDS[kind]


def _hls_signal(path: str, key: Any) -> Signal | None:
    """The scheme and the key id of an EXT-X-KEY for ClearKey."""
    if key is None or key.method == "NONE":
        return None
    schemes = {"SAMPLE-AES": "cbcs", "SAMPLE-AES-CTR": "cenc"}
    if key.keyformat != CLEARKEY_FORMAT or not str(key.uri).startswith(CLEARKEY_URI):
        raise _wrong(path, f"its key format {key.keyformat!r} is not known")
    try:
        key_id = base64.b64decode(key.uri.removeprefix(CLEARKEY_URI), validate=True).hex()
        return Signal.model_validate({"scheme": schemes.get(key.method), "key_id": key_id})
    except ValueError as error:
        raise _wrong(path, "its key is not valid") from error


def _dash_signal(own: ET.Element) -> Signal | None:
    """The scheme and the default key id of an adaptation set."""
    for protection in own.iterfind(f"{_DASH}ContentProtection"):
        if protection.get("schemeIdUri") == "urn:mpeg:dash:mp4protection:2011":
            key_id = protection.get(f"{{{CENC_NAMESPACE}}}default_KID", "").replace("-", "").lower()
            try:
                return Signal.model_validate({"scheme": protection.get("value"), "key_id": key_id})
            except ValueError as error:
                raise _wrong(DASH_MANIFEST, "a content protection is not valid") from error
    return None


def _add(renditions: dict[str, ListedRendition], rendition: ListedRendition) -> None:
    if rendition.id in renditions:
        raise _wrong(rendition.id, "two renditions have the same folder")
    renditions[rendition.id] = rendition


def _inside(manifest: str, name: str) -> str:
    """The path in the package of what a manifest names. URLs must be relative and stay inside."""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(manifest), name))
    if not name or ":" in name or "\\" in name or "\0" in name or path.startswith(("/", "..")):
        raise _wrong(manifest, f"it names {name!r}, which is not in the package")
    return path


def _wrong(path: str, reason: str) -> VerificationError:
    return VerificationError(f"the manifest {path} is not valid: {reason}", {"manifest": path})
