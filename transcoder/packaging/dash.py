"""The DASH manifest over CMAF segments (ISO/IEC 23009-1, isoff-live profile). Pure builder.

A growing title is a `dynamic` MPD, but no broadcast: all of it is wanted from time 0, and a segment that is listed
is there. Segments are listed by a SegmentTimeline, and four attributes say the rest:

- `availabilityStartTime` lies a title's length before the first publication, so that the availability time of every
  segment that will ever be listed is in the past, however much faster than real time it was encoded.
- `mediaPresentationDuration` is the planned length: a recording in progress, not an endless stream.
- no `timeShiftBufferDepth`: nothing ever falls out of the window (5.3.1.2: absent means infinite).
- `suggestedPresentationDelay` is that same length. With the availability start it puts time 0 of the title at the
  first publication on the clock, and a player that joins at the edge minus the delay starts at 0. A player that
  also limits seeking by it (Shaka Player) can be told to ignore it and be started at 0 by its page.

`UTCTiming` gives the publish time itself: everything listed is available by then, whatever a viewer's clock says, and
without one dash.js asks a public time server.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from uuid import UUID
from xml.etree import ElementTree as ET

from transcoder.media import Colour
from transcoder.packaging.audio_groups import adaptation_sets
from transcoder.packaging.drm import CLEARKEY_SYSTEM, Signal
from transcoder.packaging.package import Package, PublishedRendition, image_path
from transcoder.results import ImageResult
from transcoder.sound.channels import LAYOUT_CODES
from transcoder.thumbnails.sheets import SpriteSheets

__all__ = ["CENC_NAMESPACE", "TILES", "TRICK_MODE", "manifest"]

CENC_NAMESPACE = "urn:mpeg:cenc:2013"
"""The XML namespace of `default_KID`."""

TRICK_MODE = "http://dashif.org/guidelines/trickmode"
"""The scheme that marks a set of pictures for trick play."""

TILES = "http://dashif.org/guidelines/thumbnail_tile"
"""The scheme that marks a set of pictures for a seek bar."""

_NAMESPACE = "urn:mpeg:dash:schema:mpd:2011"
_PROFILES = "urn:mpeg:dash:profile:isoff-live:2011"
_CHANNELS = "urn:mpeg:mpegB:cicp:ChannelConfiguration"
_PURPOSE = "urn:tva:metadata:cs:AudioPurposeCS:2007"
_PURPOSES = {"description": "1", "enhanced-audio-intelligibility": "2"}
"""Sound for the visually impaired and for the hard of hearing (ETSI TS 102 822-3-1, A.13; DASH-IF IOP)."""
_ROLE = "urn:mpeg:dash:role:2011"
_PROTECTION = "urn:mpeg:dash:mp4protection:2011"
_SWITCHING = "urn:mpeg:dash:adaptation-set-switching:2016"
_CLOCK = "urn:mpeg:dash:utc:direct:2014"
_FASTEST = 16
"""Times the usual speed at which pictures of four seconds each are still looked at."""

_UPDATE_SECONDS = Fraction(2)
_MIN_BUFFER_SECONDS = Fraction(2)
"""Two of the short segments at the start, so that waiting for the buffer does not undo the early first picture."""


def manifest(package: Package, *, available_from: datetime, now: datetime) -> bytes:
    """The MPD, to be stored as `dash/manifest.mpd`. Both times are aware datetimes.

    `available_from` is when the package was first published; it must stay the same over the life of a title, and
    is not used in the final MPD. `now` becomes the publish time.
    """
    root = ET.Element("MPD", {"xmlns": _NAMESPACE, "profiles": _PROFILES})
    if any(rendition.signal for rendition in package.renditions):
        root.set("xmlns:cenc", CENC_NAMESPACE)
    if package.final:
        length = max(rendition.end for rendition in (*package.video, *package.audio))
        root.set("type", "static")
    else:
        length = package.duration
        start = available_from - timedelta(seconds=math.ceil(length))
        root.set("type", "dynamic")
        root.set("availabilityStartTime", _date(start))
        root.set("publishTime", _date(now))
        root.set("minimumUpdatePeriod", _duration(_UPDATE_SECONDS))
        root.set("suggestedPresentationDelay", _duration(Fraction(math.ceil(length))))
    root.set("mediaPresentationDuration", _duration(length))
    root.set("minBufferTime", _duration(_MIN_BUFFER_SECONDS))
    longest = (rendition.longest_segment for rendition in package.renditions)
    root.set("maxSegmentDuration", _duration(max((package.segment_duration, *longest))))
    period = ET.SubElement(root, "Period", {"id": "0", "start": "PT0S"})
    sets = _by_kind(package.video)
    for number, rungs in enumerate(sets):
        alike = _decoding(rungs[0])
        others = [other for other, own in enumerate(sets) if other != number and _decoding(own[0]) == alike]
        _video_set(period, package, number, rungs, others)
    sounds, tracks = adaptation_sets(package), set[int | None]()
    for number, renditions in enumerate(sounds, start=len(sets)):
        _audio_set(period, package, number, renditions, first=renditions[0].track not in tracks)
        tracks.add(renditions[0].track)
    for number, subtitles in enumerate(package.text, start=len(sets) + len(sounds)):
        _text_set(period, package, number, subtitles)
    if package.trick is not None:
        _trick_set(period, package, len(sets) + len(sounds) + len(package.text), package.trick, sets)
    if package.sheets and package.sprites:
        _image_set(period, str(len(period)), package.sprites, package.sheets)
    if not package.final:
        ET.SubElement(root, "UTCTiming", {"schemeIdUri": _CLOCK, "value": _date(now)})
    ET.indent(root)
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _by_kind(video: tuple[PublishedRendition, ...]) -> list[list[PublishedRendition]]:
    """The rungs by what a player must be able to do, and by their key: an adaptation set has one of each.

    (DASH-IF, content protection: default_KID of a set; ISO/IEC 23009-1, 5.3.3.1: properties of all its pictures.)
    """
    sets: dict[object, list[PublishedRendition]] = {}
    for rendition in video:
        sets.setdefault((_decoding(rendition), rendition.signal), []).append(rendition)
    return list(sets.values())


def _decoding(rendition: PublishedRendition) -> tuple[str, Colour | None]:
    """What a player cannot change in the middle of a title: the sample entry's type, and the meaning of colours."""
    return rendition.codecs.partition(".")[0], rendition.colour


def _colour_properties(own: ET.Element, package: Package, colour: Colour | None) -> None:
    """The code points of ISO/IEC 23091-2 (5.8.5.12). Essential where a screen of standard range has another choice."""
    if colour is None:
        return
    ranges = {other.colour.hdr for other in package.video if other.colour}
    name = "EssentialProperty" if colour.hdr and None in ranges else "SupplementalProperty"
    points = (
        ("ColourPrimaries", colour.primaries), ("TransferCharacteristics", colour.transfer),
        ("MatrixCoefficients", colour.matrix),
    )  # fmt: skip
    for point, value in points:
        ET.SubElement(own, name, {"schemeIdUri": f"urn:mpeg:mpegB:cicp:{point}", "value": str(value)})


def _video_set(
    period: ET.Element, package: Package, number: int, rungs: list[PublishedRendition], others: list[int]
) -> None:
    """An adaptation set of rungs: they have the same segments, so one timeline serves them.

    `others` are the numbers of the sets that a player may switch to, where the rungs have several keys.
    """
    own = _adaptation_set(period, number, "video")
    _content_protection(own, rungs[0].signal)
    _colour_properties(own, package, rungs[0].colour)
    if others:
        switching = {"schemeIdUri": _SWITCHING, "value": ",".join(map(str, others))}
        ET.SubElement(own, "SupplementalProperty", switching)
    _template(own, rungs[0])
    for video in rungs:
        representation = _representation(own, package, video)
        representation.set("width", str(video.width))
        representation.set("height", str(video.height))
        if video.frame_rate is not None:
            rate = video.frame_rate
            representation.set("frameRate", f"{rate.numerator}" + f"/{rate.denominator}" * (rate.denominator > 1))


def _trick_set(
    period: ET.Element, package: Package, number: int, trick: PublishedRendition, sets: list[list[PublishedRendition]]
) -> None:
    """The keyframes, for the sets of rungs that a decoder of theirs plays too (DASH-IF IOP 4.3, 3.2.9)."""
    own = _adaptation_set(period, number, "video")
    own.set("codingDependency", "false")
    own.set("maxPlayoutRate", str(_FASTEST))
    _content_protection(own, trick.signal)
    main = [str(index) for index, rungs in enumerate(sets) if _decoding(rungs[0]) == _decoding(trick)]
    ET.SubElement(own, "EssentialProperty", {"schemeIdUri": TRICK_MODE, "value": " ".join(main)})
    _colour_properties(own, package, trick.colour)
    _template(own, trick)
    representation = _representation(own, package, trick)
    representation.set("width", str(trick.width))
    representation.set("height", str(trick.height))


def _image_set(period: ET.Element, number: str, sprites: SpriteSheets, sheets: tuple[ImageResult, ...]) -> None:
    """Tiles for a seek bar (DASH-IF IOP 4.3, 6.2.6)."""
    own = ET.SubElement(
        period, "AdaptationSet", {"id": number, "contentType": "image", "mimeType": "image/jpeg"},
    )  # fmt: skip
    seconds = sprites.capacity * sprites.interval
    template = {
        "media": f"../{image_path('sprite-$Number$.jpg')}", "duration": str(seconds.numerator),
        # The sound may last a little longer than the pictures: players shall not look for one more sheet there.
        "timescale": str(seconds.denominator), "startNumber": "1", "endNumber": str(len(sheets)),
    }  # fmt: skip
    ET.SubElement(own, "SegmentTemplate", template)
    bandwidth = max(math.ceil(8 * sheet.size_bytes / seconds) for sheet in sheets)
    width, height = sprites.size
    shape = {"id": "images", "bandwidth": str(bandwidth), "width": str(width), "height": str(height)}
    tiles = {"schemeIdUri": TILES, "value": f"{sprites.columns}x{sprites.rows}"}
    ET.SubElement(ET.SubElement(own, "Representation", shape), "EssentialProperty", tiles)


def _audio_set(
    period: ET.Element, package: Package, number: int, renditions: list[PublishedRendition], *, first: bool
) -> None:
    """Renditions of one track in one encoding; they have the same segments. `first`: before other encodings of it."""
    audio = renditions[0]
    own = _adaptation_set(period, number, "audio")
    own.set("selectionPriority", "2" if first else "1")
    if audio.language:
        own.set("lang", _printable(audio.language))
    _content_protection(own, audio.signal)
    if audio.title:
        ET.SubElement(own, "Label").text = _printable(audio.title)
    for role in audio.roles:
        if role in _PURPOSES:
            ET.SubElement(own, "Accessibility", {"schemeIdUri": _PURPOSE, "value": _PURPOSES[role]})
    roles = [role for role in audio.roles if role not in {"main", "alternate"}]
    for role in ("main" if audio.default else "alternate", *roles):
        ET.SubElement(own, "Role", {"schemeIdUri": _ROLE, "value": role})
    _template(own, audio)
    for rendition in renditions:
        representation = _representation(own, package, rendition)
        if rendition.sample_rate is not None:
            representation.set("audioSamplingRate", str(rendition.sample_rate))
        code = LAYOUT_CODES.get(rendition.layout or "")
        if code is not None:
            channels = {"schemeIdUri": _CHANNELS, "value": str(code)}
            ET.SubElement(representation, "AudioChannelConfiguration", channels)


def _text_set(period: ET.Element, package: Package, number: int, text: PublishedRendition) -> None:
    """WebVTT segments without an init segment (ISO/IEC 23009-1, 7.4.5 for the type; roles: 5.8.5.5)."""
    own = _adaptation_set(period, number, "text")
    if text.language:
        own.set("lang", _printable(text.language))
    if text.title or text.language:
        ET.SubElement(own, "Label").text = _printable(text.title or text.language or "")
    for role in dict.fromkeys([*text.roles, *(["main"] if text.default else [])]):
        ET.SubElement(own, "Role", {"schemeIdUri": _ROLE, "value": role})
    _template(own, text)
    bandwidth = str(package.bandwidth(text))
    ET.SubElement(own, "Representation", {"id": text.id, "bandwidth": bandwidth})


def _content_protection(own: ET.Element, signal: Signal | None) -> None:
    """The scheme with its default key id, and ClearKey (5.8.4.1; ISO/IEC 23001-7, 11).

    No `pssh`: ClearKey needs none but the key id, from which players make their request (dash.js 5.2 even hands a
    `pssh` of this system to EME under the wrong name); the init segments have one. No licence URL either: who may have
    a licence is not the package's to say.
    """
    if signal is None:
        return
    scheme = {
        "schemeIdUri": _PROTECTION, "value": signal.scheme, "cenc:default_KID": str(UUID(signal.key_id)),
    }  # fmt: skip
    ET.SubElement(own, "ContentProtection", scheme)
    ET.SubElement(own, "ContentProtection", {"schemeIdUri": f"urn:uuid:{CLEARKEY_SYSTEM}", "value": "ClearKey1.0"})


def _adaptation_set(period: ET.Element, number: int, kind: str) -> ET.Element:
    return ET.SubElement(
        period, "AdaptationSet",
        {
            "id": str(number), "contentType": kind, "mimeType": "text/vtt" if kind == "text" else f"{kind}/mp4",
            "segmentAlignment": "true", "startWithSAP": "1",
        },
    )  # fmt: skip


def _representation(own: ET.Element, package: Package, rendition: PublishedRendition) -> ET.Element:
    bandwidth = str(package.bandwidth(rendition))
    return ET.SubElement(
        own, "Representation", {"id": rendition.id, "codecs": rendition.codecs, "bandwidth": bandwidth}
    )


def _template(own: ET.Element, rendition: PublishedRendition) -> None:
    template = ET.SubElement(own, "SegmentTemplate", {"timescale": str(rendition.timescale)})
    if rendition.kind == "text":
        template.set("media", "../text/$RepresentationID$/$Number$.vtt")
    else:
        template.set("initialization", "../cmaf/$RepresentationID$/init.mp4")
        template.set("media", "../cmaf/$RepresentationID$/$Number$.m4s")
    template.set("startNumber", str(rendition.segments[0].number))
    timeline = ET.SubElement(template, "SegmentTimeline")
    last: ET.Element | None = None
    for segment in rendition.segments:
        if last is not None and last.get("d") == str(segment.duration):
            last.set("r", str(int(last.get("r", "0")) + 1))
            continue
        # Segments join exactly, so only the first needs its time (5.3.9.6.2).
        start = {"t": str(segment.start)} if last is None else {}
        last = ET.SubElement(timeline, "S", {**start, "d": str(segment.duration)})


def _printable(text: str) -> str:
    """Text without the control characters that XML 1.0 cannot carry; it comes from the source."""
    return "".join(char if char.isprintable() else " " for char in text)


def _duration(seconds: Fraction) -> str:
    """An xs:duration, rounded up to the microsecond so that it never cuts off a last tick."""
    whole, micros = divmod(math.ceil(seconds * 1_000_000), 1_000_000)
    return f"PT{whole}" + (f".{micros:06d}".rstrip("0") if micros else "") + "S"


def _date(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
