"""HLS playlists over CMAF segments (RFC 8216bis, protocol version 7). Pure builders.

While a title grows its playlists are of the EVENT type: segments are only ever added, and EXT-X-START sends a
player to the beginning, where it would otherwise start three segments before the end. At the end they become
VOD and get EXT-X-ENDLIST.
"""

from __future__ import annotations

import base64
from fractions import Fraction

from transcoder.packaging.drm import Signal
from transcoder.packaging.package import Package, PublishedRendition, init_path, segment_path

__all__ = ["CLEARKEY_FORMAT", "CLEARKEY_URI", "media_playlist", "multivariant"]

CLEARKEY_FORMAT = "org.w3.clearkey"
"""KEYFORMAT of a ClearKey key."""

CLEARKEY_URI = "data:text/plain;base64,"
"""What the URI of a ClearKey key begins with; base64 of the key id follows."""

_VERSION = 7
_GROUP = "audio"
_TEXT_GROUP = "text"
_CAPTIONS = "public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound"
_START = "#EXT-X-START:TIME-OFFSET=0,PRECISE=YES"


def multivariant(package: Package) -> str:
    """The multivariant playlist, to be stored as `hls/master.m3u8`.

    BANDWIDTH counts the video rendition and the largest audio and text renditions: the ladder's caps while the title
    grows, the measured peak and average at the end (RFC 8216bis, 4.4.6.2). Text needs no word in CODECS.
    """
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{_VERSION}", "#EXT-X-INDEPENDENT-SEGMENTS"]
    if not package.final:
        lines.append(_START)
    lines += [*_audio_group(package), *_text_group(package)]
    audio_peak, audio_average = _largest(package, package.audio)
    text_peak, text_average = _largest(package, package.text)
    if not package.video and package.audio:
        lines += _sound_only(package, audio_peak + text_peak, audio_average + text_average)
    for video in package.video:
        codecs = dict.fromkeys([video.codecs, *(audio.codecs for audio in package.audio)])
        attributes = [
            f"BANDWIDTH={package.bandwidth(video) + audio_peak + text_peak}",
            f"AVERAGE-BANDWIDTH={package.average_bandwidth(video) + audio_average + text_average}",
            f'CODECS="{",".join(codecs)}"',
            f"RESOLUTION={video.width}x{video.height}",
        ]
        if video.frame_rate is not None:
            attributes.append(f"FRAME-RATE={_decimal(video.frame_rate, 3)}")
        attributes += _groups(package)
        lines += [f"#EXT-X-STREAM-INF:{','.join(attributes)}", f"{video.id}.m3u8"]
    return "\n".join(lines) + "\n"


def _sound_only(package: Package, peak: int, average: int) -> list[str]:
    """The variant of a title without a picture: the sound alone, no RESOLUTION (RFC 8216bis, 4.4.6.2)."""
    first = next((audio for audio in package.audio if audio.default), package.audio[0])
    codecs = dict.fromkeys(audio.codecs for audio in package.audio)
    attributes = [
        f"BANDWIDTH={peak}",
        f"AVERAGE-BANDWIDTH={average}",
        f'CODECS="{",".join(codecs)}"',
        *_groups(package),
    ]
    return [f"#EXT-X-STREAM-INF:{','.join(attributes)}", f"{first.id}.m3u8"]


def _groups(package: Package) -> list[str]:
    """The groups that go with every variant."""
    groups = (("AUDIO", _GROUP, package.audio), ("SUBTITLES", _TEXT_GROUP, package.text))
    return [f'{name}="{group}"' for name, group, renditions in groups if renditions]


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


def _audio_group(package: Package) -> list[str]:
    lines = []
    for audio, name in zip(package.audio, _names(package.audio), strict=True):
        attributes = ["TYPE=AUDIO", f'GROUP-ID="{_GROUP}"', *_described(audio, name), "AUTOSELECT=YES"]
        if audio.channels is not None:
            attributes.append(f'CHANNELS="{audio.channels}"')
        lines.append(f'#EXT-X-MEDIA:{",".join(attributes)},URI="{audio.id}.m3u8"')
    return lines


def _text_group(package: Package) -> list[str]:
    """EXT-X-MEDIA of the subtitles (RFC 8216bis, 4.4.6.1). Captions say so by their characteristics."""
    lines = []
    for text, name in zip(package.text, _names(package.text), strict=True):
        attributes = ["TYPE=SUBTITLES", f'GROUP-ID="{_TEXT_GROUP}"', *_described(text, name), "AUTOSELECT=YES"]
        attributes.append(f"FORCED={'YES' if text.forced else 'NO'}")
        if "caption" in text.roles:
            attributes.append(f'CHARACTERISTICS="{_CAPTIONS}"')
        lines.append(f'#EXT-X-MEDIA:{",".join(attributes)},URI="{text.id}.m3u8"')
    return lines


def _described(rendition: PublishedRendition, name: str) -> list[str]:
    language = [f'LANGUAGE="{_quotable(rendition.language)}"'] if rendition.language else []
    return [f'NAME="{name}"', *language, f"DEFAULT={'YES' if rendition.default else 'NO'}"]


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
