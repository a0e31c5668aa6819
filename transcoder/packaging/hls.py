"""HLS playlists over CMAF segments (RFC 8216bis, protocol version 7). Pure builders.

While a title grows its playlists are of the EVENT type: segments are only ever added, and EXT-X-START sends a
player to the beginning, where it would otherwise start three segments before the end. At the end they become
VOD and get EXT-X-ENDLIST.
"""

from __future__ import annotations

import base64
import math
import posixpath
from collections.abc import Iterator
from fractions import Fraction

from transcoder.packaging.audio_groups import AudioGroup, audio_groups, paired
from transcoder.packaging.drm import Signal
from transcoder.packaging.package import (
    IMAGE_PLAYLIST,
    Package,
    PublishedRendition,
    image_path,
    init_path,
    playlist_path,
    segment_path,
)
from transcoder.results import ImageResult
from transcoder.thumbnails.sheets import SpriteSheets

__all__ = ["CLEARKEY_FORMAT", "CLEARKEY_URI", "media_playlist", "multivariant", "playlists"]

CLEARKEY_FORMAT = "org.w3.clearkey"
"""KEYFORMAT of a ClearKey key."""

CLEARKEY_URI = "data:text/plain;base64,"
"""What the URI of a ClearKey key begins with; base64 of the key id follows."""

_VERSION = 7
_TEXT_GROUP = "text"
_CAPTIONS = "public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound"
_PURPOSES = {
    "description": "public.accessibility.describes-video",
    "enhanced-audio-intelligibility": "public.accessibility.enhances-speech-intelligibility",
}
_START = "#EXT-X-START:TIME-OFFSET=0,PRECISE=YES"


def multivariant(package: Package) -> str:
    """The multivariant playlist, to be stored as `hls/master.m3u8`.

    BANDWIDTH counts the video rendition and the largest renditions of its audio group and of the text: the ladder's
    caps while the title grows, the measured peak and average at the end (RFC 8216bis, 4.4.6.2). Text needs no word in
    CODECS.
    """
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{_VERSION}", "#EXT-X-INDEPENDENT-SEGMENTS"]
    if not package.final:
        lines.append(_START)
    groups = audio_groups(package)
    lines += [line for group in groups for line in _audio_group(package, group)]
    lines += _text_group(package)
    if not package.video:
        for group in groups:
            first = next((audio for audio in group.members if audio.default), group.members[0])
            lines += _variant(package, first, None, group)
    elif not groups:
        for video in package.video:
            lines += _variant(package, video, video, None)
    else:
        for video, group in paired(groups, package.video):
            lines += _variant(package, video, video, group)
    if package.trick is not None:
        lines.append(_keyframes(package, package.trick))
    if package.sheets and package.sprites:
        lines.append(_images(package.sprites, package.sheets))
    return "\n".join(lines) + "\n"


def playlists(package: Package) -> Iterator[tuple[str, str]]:
    """Every playlist that the multivariant one names, with where it is to be stored."""
    for rendition in package.renditions:
        yield playlist_path(rendition.id), media_playlist(package, rendition.id)
    if package.sheets and package.sprites:
        yield IMAGE_PLAYLIST, _image_playlist(package, package.sprites)


def _variant(
    package: Package, played: PublishedRendition, video: PublishedRendition | None, group: AudioGroup | None
) -> list[str]:
    """One EXT-X-STREAM-INF and its URI: that of a picture, or without RESOLUTION, of sound alone (4.4.6.2)."""
    sounds = (*group.members, *group.spare) if group else ()
    pictures = (video,) if video else ()
    sums = [_largest(package, renditions) for renditions in (pictures, sounds, package.text)]
    codecs = dict.fromkeys(rendition.codecs for rendition in (*pictures, *sounds))
    attributes = [
        f"BANDWIDTH={sum(peak for peak, _ in sums)}",
        f"AVERAGE-BANDWIDTH={sum(average for _, average in sums)}",
        f'CODECS="{",".join(codecs)}"',
    ]
    if video is not None:
        attributes.append(f"RESOLUTION={video.width}x{video.height}")
    if video is not None and video.frame_rate is not None:
        attributes.append(f"FRAME-RATE={_decimal(video.frame_rate, 3)}")
    if video is not None and video.colour is not None:
        attributes.append(f"VIDEO-RANGE={(video.colour.hdr or 'sdr').upper()}")
    if group is not None:
        attributes.append(f'AUDIO="{group.id}"')
    if package.text:
        attributes.append(f'SUBTITLES="{_TEXT_GROUP}"')
    return [f"#EXT-X-STREAM-INF:{','.join(attributes)}", f"{played.id}.m3u8"]


def _keyframes(package: Package, trick: PublishedRendition) -> str:
    """EXT-X-I-FRAME-STREAM-INF, which has its URI as an attribute (4.4.6.3)."""
    attributes = [
        f"BANDWIDTH={package.bandwidth(trick)}", f"AVERAGE-BANDWIDTH={package.average_bandwidth(trick)}",
        f'CODECS="{trick.codecs}"', f"RESOLUTION={trick.width}x{trick.height}",
    ]  # fmt: skip
    if trick.colour is not None:
        attributes.append(f"VIDEO-RANGE={(trick.colour.hdr or 'sdr').upper()}")
    return f'#EXT-X-I-FRAME-STREAM-INF:{",".join(attributes)},URI="{trick.id}.m3u8"'


def _images(sprites: SpriteSheets, sheets: tuple[ImageResult, ...]) -> str:
    """EXT-X-IMAGE-STREAM-INF (Image Media Playlist, version 0.4): not of Apple's, so other players pass over it."""
    seconds = sprites.capacity * sprites.interval
    bandwidth = max(math.ceil(8 * sheet.size_bytes / seconds) for sheet in sheets)
    attributes = f'BANDWIDTH={bandwidth},RESOLUTION={sprites.width}x{sprites.height},CODECS="jpeg"'
    return f'#EXT-X-IMAGE-STREAM-INF:{attributes},URI="{posixpath.basename(IMAGE_PLAYLIST)}"'


def _image_playlist(package: Package, sprites: SpriteSheets) -> str:
    """The sheets, each for as long as its pictures stand for."""
    whole, layout = sprites.capacity * sprites.interval, f"{sprites.columns}x{sprites.rows}"
    tiles = f"RESOLUTION={sprites.width}x{sprites.height},LAYOUT={layout},DURATION={_decimal(sprites.interval, 3)}"
    lines = [
        "#EXTM3U", f"#EXT-X-VERSION:{_VERSION}", f"#EXT-X-TARGETDURATION:{math.ceil(whole)}",
        "#EXT-X-MEDIA-SEQUENCE:1", "#EXT-X-PLAYLIST-TYPE:VOD", "#EXT-X-IMAGES-ONLY",
    ]  # fmt: skip
    for number, sheet in enumerate(package.sheets):
        left = min(whole, package.duration - number * whole)
        lines += [f"#EXTINF:{_decimal(left, 6)},", f"#EXT-X-TILES:{tiles}", f"../{image_path(sheet.name)}"]
    return "\n".join([*lines, "#EXT-X-ENDLIST"]) + "\n"


def _largest(package: Package, renditions: tuple[PublishedRendition, ...]) -> tuple[int, int]:
    """The largest peak and the largest average of renditions of which one is played."""
    peaks = (package.bandwidth(rendition) for rendition in renditions)
    return max(peaks, default=0), max((package.average_bandwidth(rendition) for rendition in renditions), default=0)


def media_playlist(package: Package, rendition_id: str) -> str:
    """The media playlist of one rendition, to be stored as `hls/{rendition}.m3u8`. Errors: KeyError.

    Durations are differences of rounded times, so that their sum stays right to the microsecond.
    """
    rendition = package.rendition(rendition_id)
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{_VERSION}",
        f"#EXT-X-TARGETDURATION:{package.target_duration}",
        f"#EXT-X-MEDIA-SEQUENCE:{rendition.segments[0].number}",
        f"#EXT-X-PLAYLIST-TYPE:{'VOD' if package.final else 'EVENT'}",
        "#EXT-X-INDEPENDENT-SEGMENTS",
    ]
    if rendition.kind == "trick":
        lines.append("#EXT-X-I-FRAMES-ONLY")
    if not package.final:
        lines.append(_START)
    if rendition.kind != "text":
        lines.append(f'#EXT-X-MAP:URI="../{init_path(rendition.id)}"')
    if rendition.signal is not None:
        lines.append(_key(rendition.signal))
    for segment in rendition.segments:
        begin = _microseconds(segment.start, rendition)
        end = _microseconds(segment.start + segment.duration, rendition)
        lines += [
            f"#EXTINF:{_decimal(Fraction(end - begin, 1_000_000), 6)},",
            f"../{segment_path(rendition.id, segment.number, rendition.kind)}",
        ]
    if package.final:
        lines.append("#EXT-X-ENDLIST")
    return "\n".join(lines) + "\n"


def _key(signal: Signal) -> str:
    """EXT-X-KEY for ClearKey (RFC 8216bis, 4.4.4.4): SAMPLE-AES is `cbcs`, SAMPLE-AES-CTR is `cenc`.

    The specification leaves key formats other than "identity" to their systems. "org.w3.clearkey" is the EME name,
    and hls.js's; there the URI is data of 16 bytes, the key id, which EME asks the licence server for. No key.
    """
    method = "SAMPLE-AES" if signal.scheme == "cbcs" else "SAMPLE-AES-CTR"
    key_id = base64.b64encode(bytes.fromhex(signal.key_id)).decode("ascii")
    return (
        f'#EXT-X-KEY:METHOD={method},URI="{CLEARKEY_URI}{key_id}",KEYFORMAT="{CLEARKEY_FORMAT}",KEYFORMATVERSIONS="1"'
    )


def _audio_group(package: Package, group: AudioGroup) -> list[str]:
    """EXT-X-MEDIA of one group (RFC 8216bis, 4.4.6.1). A track has one name in all groups."""
    lines = []
    known = {(audio.language, audio.roles) for audio in group.members if audio.default}
    names = _names(audio_groups(package)[0].members)
    by_track = {audio.track: name for audio, name in zip(group.members, names, strict=True)}
    for audio, name in zip(group.members, names, strict=True):
        # One of each language and purpose is chosen without being asked for; never a commentary.
        kind = (audio.language, audio.roles)
        chosen = audio.default or not (kind in known or "commentary" in audio.roles)
        known.add(kind)
        lines.append(_sound(group, audio, name, default=audio.default, chosen=chosen))
    for audio in group.spare:
        name = f"{by_track[audio.track]} {audio.layout or audio.channels}"
        lines.append(_sound(group, audio, name, default=False, chosen=False))
    return lines


def _sound(group: AudioGroup, audio: PublishedRendition, name: str, *, default: bool, chosen: bool) -> str:
    selected = f"AUTOSELECT={'YES' if chosen else 'NO'}"
    attributes = ["TYPE=AUDIO", f'GROUP-ID="{group.id}"', *_described(audio, name, default=default), selected]
    purposes = [_PURPOSES[role] for role in audio.roles if role in _PURPOSES]
    if purposes:
        attributes.append(f'CHARACTERISTICS="{",".join(purposes)}"')
    if audio.channels is not None:
        attributes.append(f'CHANNELS="{audio.channels}"')
    return f'#EXT-X-MEDIA:{",".join(attributes)},URI="{audio.id}.m3u8"'


def _text_group(package: Package) -> list[str]:
    """EXT-X-MEDIA of the subtitles (RFC 8216bis, 4.4.6.1). Captions say so by their characteristics."""
    lines = []
    for text, name in zip(package.text, _names(package.text), strict=True):
        attributes = [
            "TYPE=SUBTITLES",
            f'GROUP-ID="{_TEXT_GROUP}"',
            *_described(text, name, default=text.default),
            "AUTOSELECT=YES",
        ]
        attributes.append(f"FORCED={'YES' if text.forced else 'NO'}")
        if "caption" in text.roles:
            attributes.append(f'CHARACTERISTICS="{_CAPTIONS}"')
        lines.append(f'#EXT-X-MEDIA:{",".join(attributes)},URI="{text.id}.m3u8"')
    return lines


def _described(rendition: PublishedRendition, name: str, *, default: bool) -> list[str]:
    language = [f'LANGUAGE="{_quotable(rendition.language)}"'] if rendition.language else []
    return [f'NAME="{name}"', *language, f"DEFAULT={'YES' if default else 'NO'}"]


def _names(renditions: tuple[PublishedRendition, ...]) -> list[str]:
    """A NAME for each, unique in the group (RFC 8216bis, 4.4.6.1.1); the text is the source's, so it is cleaned."""
    names: list[str] = []
    for rendition in renditions:
        name = _quotable(rendition.title or rendition.language or rendition.id)
        names.append(f"{name} ({rendition.id})" if name in names else name)
    return names


def _quotable(text: str) -> str:
    """Text for a quoted-string, which has no escapes: no quotation mark, no control character (4.2)."""
    return "".join("'" if char == '"' else char if char.isprintable() else " " for char in text)


def _microseconds(tick: int, rendition: PublishedRendition) -> int:
    return round(Fraction(tick * 1_000_000, rendition.timescale))


def _decimal(value: Fraction, digits: int) -> str:
    """An exact fraction rounded to so many digits after the point, without a float on the way."""
    scaled = round(value * 10**digits)
    return f"{scaled // 10**digits}.{scaled % 10**digits:0{digits}d}"
