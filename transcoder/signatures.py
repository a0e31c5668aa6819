"""What a file is that is no source, by its first bytes: so that a refusal can name it."""

from __future__ import annotations

__all__ = ["SIGNATURE_BYTES", "unknown_container"]

SIGNATURE_BYTES = 4096

_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"GIF8", "a GIF picture"),
    (8, b"WEBP", "a WebP picture"),
    (4, b"ftypavif", "an AVIF picture"),
    (4, b"ftypheic", "a HEIC picture"),
    (0, b"BM", "a BMP picture"),
    (0, b"II*\0", "a TIFF picture"),
    (0, b"MM\0*", "a TIFF picture"),
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b"Rar!", "a RAR archive"),
    (0, b".RMF", "RealMedia"),
    (0, b".ra\xfd", "RealAudio"),
    (0, b"nut/multimedia container", "NUT"),
    (0, b"\xb7\xd8\x00\x20\x37\x49\xda\x11", "a Windows television recording (WTV)"),
    (0, b"YUV4MPEG2", "YUV4MPEG2"),
    (0, b"FWS", "a Flash film (SWF)"),
    (0, b"CWS", "a Flash film (SWF)"),
    (0, b"#EXTM3U", "an HLS playlist"),
    (0, b"ffconcat", "a script for FFmpeg"),
    (0, b"v=0", "a session description (SDP)"),
    (0, b"MThd", "a MIDI file"),
    (0, b"\x7fELF", "a program"),
    (0, b"MZ", "a program"),
    (0, b"KDMV", "Bink video"),
    (0, b"BIK", "Bink video"),
    (0, b"SMK", "Smacker video"),
)

_SUPPORTED: tuple[tuple[int, bytes, str], ...] = (
    (4, b"ftyp", "MP4 or QuickTime"),
    (4, b"moov", "QuickTime"),
    (4, b"mdat", "QuickTime"),
    (0, b"\x1a\x45\xdf\xa3", "Matroska or WebM"),
    (8, b"AVI ", "AVI"),
    (0, b"FLV\x01", "FLV"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "ASF"),
    (0, b"OggS", "Ogg"),
    (0, b"\x06\x0e\x2b\x34", "MXF"),
    (0, b"\0\0\1\xba", "an MPEG program stream"),
)

_XML = (("<MPD", "a DASH manifest"), ("<SmoothStreamingMedia", "a Smooth Streaming manifest"), ("<html", "a web page"))


def unknown_container(head: bytes) -> str:
    """Why a file that begins with these bytes is refused."""
    what = _named(head, _SIGNATURES)
    container = None if what else _named(head, _SUPPORTED)
    if container:
        return f"the source begins as {container} does, and cannot be read: it is damaged, or cut off before its index"
    known = what or _text(head)
    return f"the content is not one of the supported containers{f': it is {known}' if known else ''}"


def _named(head: bytes, signatures: tuple[tuple[int, bytes, str], ...]) -> str | None:
    return next((name for at, magic, name in signatures if head[at : at + len(magic)] == magic), None)


def _text(head: bytes) -> str | None:
    if not head or b"\0" in head:
        return None
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:
            return None
        text = head[: error.start].decode("utf-8")
    return next((name for mark, name in _XML if mark.lower() in text.lower()), "text")
