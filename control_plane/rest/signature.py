"""What kind of container a file is, by its first bytes. The API never parses media: this is all it looks at.

The list is closed: what is not a container we transcode is refused, above all the text formats (ffconcat, HLS and
DASH manifests, SDP) that make a demuxer open other files. Whether the file is whole and holds a video is found
out by the analysis, in a worker.
"""

from __future__ import annotations

from transcoder.errors import UnsupportedMediaError

__all__ = ["HEAD_BYTES", "sniff"]

HEAD_BYTES = 4096
"""So many bytes from the start are enough for every signature here."""

_BOXES = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"moof", b"sidx", b"uuid"}
_IMAGE_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"mif1", b"avif", b"crx ", b"jxl "}
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
# SMPTE ST 377-1, 7.1: the key of a header partition pack, up to its status byte. Run-in is not accepted.
_MXF = bytes.fromhex("060e2b34020501010d0102010102")
_SIGNATURES = (
    (b"DKIF", "video/x-ivf"),
    (b"\x12\x00", "video/av1"),  # AV1, 5.3.2: a temporal delimiter of no bytes
    (b"\x1f\x07\x00", "video/dv"),  # IEC 61834-2: the header block of the first sequence
    (b"riff\x2e\x91\xcf\x11", "audio/x-w64"),
    (b"caff\x00\x01", "audio/x-caf"),
    (b"fLaC", "audio/flac"),
    (b"ID3", "audio/mpeg"),
    (b"\x0b\x77", "audio/ac3"),  # ETSI TS 102 366, 4.4.1.1: syncword
    (b"\x7f\xfe\x80\x01", "audio/vnd.dts"),  # ETSI TS 102 114, 5.3.1: syncword
    (b"#!AMR", "audio/amr"),  # RFC 4867, 5.1
)
_TEXT_CONTROLS = frozenset(range(0x20)) - frozenset(b"\t\n\v\f\r\x1b")


def sniff(head: bytes) -> str:
    """The media type of a file that begins with `head` (its first `HEAD_BYTES`, or all of it).

    Errors: UnsupportedMediaError, with what the file seems to be.
    """
    if not head:
        raise UnsupportedMediaError("the file is empty")
    if _is_text(head):
        raise UnsupportedMediaError("the file is text, not a video container")
    found = _iso(head) or _matroska(head) or _fixed(head) or _transport_stream(head) or _elementary(head)
    if found is None:
        raise UnsupportedMediaError(
            "the file is not a supported container: MP4, MOV, Matroska, WebM, MPEG-TS, MPEG-PS, AVI, FLV, ASF, "
            "MXF, Ogg, DV, PVA, IVF, a raw video stream, or WAV, AIFF, CAF, MP3, AAC, FLAC, AC-3, DTS or AMR sound"
        )
    return found


def _is_text(head: bytes) -> bool:
    """Whether the bytes read as text: no control characters, and UTF-8 (or UTF-16 by its mark)."""
    if head[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return True
    if not _TEXT_CONTROLS.isdisjoint(head):
        return False
    try:
        # A character may be cut at the end of the head; at most three bytes are missing.
        head[: max(1, len(head) - 3)].decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _iso(head: bytes) -> str | None:
    # ISO/IEC 14496-12, 4.2: a 32-bit size and a type; 0 is "to the end", 1 a 64-bit size behind the type.
    size, kind = int.from_bytes(head[:4], "big"), head[4:8]
    if kind not in _BOXES or (size not in {0, 1} and size < 8):
        return None
    if kind != b"ftyp":
        return "video/quicktime"  # classic QuickTime has no ftyp
    brand = head[8:12]
    if brand in _IMAGE_BRANDS:
        raise UnsupportedMediaError("the file is a still image, not a video")
    return "video/quicktime" if brand == b"qt  " else "video/mp4"


def _matroska(head: bytes) -> str | None:
    # RFC 8794, 11.2: the EBML header comes first and names the document type.
    if not head.startswith(b"\x1a\x45\xdf\xa3"):
        return None
    if b"\x42\x82\x84webm" in head:
        return "video/webm"
    return "video/x-matroska" if b"matroska" in head[:128] else None


def _fixed(head: bytes) -> str | None:
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return "video/x-msvideo"
    if head[:4] in {b"RIFF", b"RF64"} and head[8:12] == b"WAVE":
        return "audio/wav"
    if head.startswith(b"FORM") and head[8:12] in {b"AIFF", b"AIFC"}:
        return "audio/aiff"
    for signature, media_type in _SIGNATURES:
        if head.startswith(signature):
            return media_type
    if head.startswith(b"FLV\x01"):
        return "video/x-flv"
    if head.startswith(_ASF):
        return "video/x-ms-asf"
    if head.startswith(_MXF):
        return "application/mxf"
    if head.startswith(b"OggS\x00"):
        return "video/ogg"
    if head.startswith(b"\x00\x00\x01\xba"):  # ISO/IEC 13818-1, 2.5.3.4: pack_start_code
        return "video/mp2p"
    return None


def _elementary(head: bytes) -> str | None:
    """Streams without a container, and containers that begin with little more than a count."""
    if head.startswith((b"\x00\x00\x01", b"\x00\x00\x00\x01")):  # a start code: H.264, H.265, MPEG-1/2/4, VC-1
        return "video/mpeg"
    if head[:2] == b"AV" and head[2:3] in {b"\x01", b"\x02"} and head[4:5] == b"\x55":
        return "video/x-pva"
    # SMPTE ST 421, annex L: the number of frames, a mark, the size of the codec's header.
    if head[3:4] == b"\xc5" and 4 <= int.from_bytes(head[4:8], "little") <= 64:
        return "video/x-vc1"
    # ISO/IEC 11172-3, 2.4.2.3, and ISO/IEC 14496-3, 1.A.2.2 (ADTS): twelve bits of sync, or eleven in MPEG-2.5.
    if len(head) > 4 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and head[2] & 0xF0 != 0xF0:
        return "audio/mpeg"
    return None


def _transport_stream(head: bytes) -> str | None:
    # ISO/IEC 13818-1, 2.4.3.2: a sync byte every 188 bytes; 192 with a timestamp before (M2TS), 204 with parity.
    for packet, offset in ((188, 0), (192, 4), (204, 0)):
        marks = head[offset::packet]
        if len(marks) >= 3 and marks.count(0x47) == len(marks):
            return "video/mp2t"
    return None
