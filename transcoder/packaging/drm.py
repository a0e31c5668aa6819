"""Encryption decided: which key, which IV, which signalling. Pure; nothing here ever holds a content key in clear.

A package has one content key for each class of renditions that it has (`sd`, `hd`, `uhd`, `audio`), so that a licence
can leave out the better pictures. The decisions are pinned in the plan as an `Encryption`: every chunk, every attempt
and every node then makes parts that join.

IVs (ISO/IEC 23001-7, 9.2 and 9.5):

- `cbcs`: one random constant IV a rendition, the same in all its chunks, because it lies in the init segment, of which
  a player gets one.
- `cenc` (AES-CTR): a counter block that is used twice under one key gives away the XOR of two plaintexts. Several
  renditions share a key, a chunk may be made by several attempts, and the Packager starts anew with every input file.
  So the 8-byte IV of an input's first sample is built from what tells the input from all others:

      rendition (12 bits) | first segment number (22) | attempt (10) | sample counter, from 0 (20)

  The Packager adds one for each sample, and counts the 16-byte blocks of a sample in the 8 bytes below the IV, from
  0. An input has far fewer than 2^20 samples (checked), so it never reaches the next input's IVs; two inputs of one
  rendition differ in their first segment, or in the attempt, which the ledger gives out once. Keys belong to one
  package, so nothing else counts under them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Literal

from pydantic import Field

from transcoder.documents import Document
from transcoder.errors import InvalidInputError

__all__ = [
    "CENC_SAMPLES",
    "CLEARKEY_SYSTEM",
    "Encryption",
    "KeyClass",
    "KeyId",
    "RenditionEncryption",
    "Scheme",
    "Signal",
    "WrappedKey",
    "cenc_iv",
    "common_pssh",
    "key_class",
    "plan_encryption",
]

Scheme = Literal["cbcs", "cenc"]
KeyClass = Literal["sd", "hd", "uhd", "audio"]
KeyId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]

CLEARKEY_SYSTEM = "e2719d58-a985-b3c9-781a-b030af78d30e"
"""The system id of ClearKey in DASH (dashif.org/identifiers/content_protection)."""

_COMMON_SYSTEM = bytes.fromhex("1077efecc0b24d02ace33c1e52e2fb4b")
"""The common system id of W3C's "cenc" initialization data format."""

_SD_LINES, _HD_LINES = 576, 1080

_RENDITION_BITS, _SEGMENT_BITS, _ATTEMPT_BITS, _SAMPLE_BITS = 12, 22, 10, 20

CENC_SAMPLES = 1 << _SAMPLE_BITS
"""So many samples of one input have IVs of their own."""


class WrappedKey(Document):
    """A content key under a key-encryption key: base64 of nonce, ciphertext and tag (transcoder/packaging/keys.py)."""

    key_id: KeyId
    scheme: Scheme
    wrapped: str


class Signal(Document):
    """What manifests say about a rendition's encryption."""

    scheme: Scheme
    key_id: KeyId


class RenditionEncryption(Document):
    """How one rendition is encrypted. `index` tells it from the others in a `cenc` IV; `constant_iv` is for `cbcs`."""

    rendition: str
    key_id: KeyId
    index: int = Field(ge=0, lt=1 << _RENDITION_BITS)
    constant_iv: KeyId | None = None


class Encryption(Document):
    """How a package is encrypted: pinned in the plan, without any key in clear."""

    scheme: Scheme
    keys: tuple[WrappedKey, ...]
    renditions: tuple[RenditionEncryption, ...]

    def rendition(self, rendition_id: str) -> RenditionEncryption:
        """How one rendition is encrypted. Errors: KeyError."""
        for rendition in self.renditions:
            if rendition.rendition == rendition_id:
                return rendition
        raise KeyError(rendition_id)

    def signal(self, rendition_id: str) -> Signal:
        """What manifests say about a rendition. Errors: KeyError."""
        return Signal(scheme=self.scheme, key_id=self.rendition(rendition_id).key_id)

    def iv(self, rendition_id: str, first_segment: int, attempt: int) -> str:
        """The IV, in hexadecimal, of an input of the Packager that begins with that segment. Errors: KeyError."""
        rendition = self.rendition(rendition_id)
        return rendition.constant_iv or cenc_iv(rendition.index, first_segment, attempt)


def key_class(width: int, height: int) -> KeyClass:
    """The class of a picture size: by the lines of its shorter side, as ladders count."""
    lines = min(width, height)
    return "sd" if lines <= _SD_LINES else "hd" if lines <= _HD_LINES else "uhd"


def plan_encryption(
    renditions: Iterable[tuple[str, KeyClass]],
    scheme: Scheme,
    keys: Mapping[KeyClass, WrappedKey],
    draw_iv: Callable[[], str],
) -> Encryption:
    """Decide about a package's renditions, given as ids with their classes.

    `draw_iv` gives 16 random bytes in hexadecimal; it is asked once a rendition where the scheme is `cbcs`.
    Errors: KeyError where a class has no key.
    """
    planned = tuple(
        RenditionEncryption(
            rendition=rendition, key_id=keys[kind].key_id, index=index,
            constant_iv=draw_iv() if scheme == "cbcs" else None,
        )
        for index, (rendition, kind) in enumerate(renditions)
    )  # fmt: skip
    return Encryption(scheme=scheme, keys=tuple(keys.values()), renditions=planned)


def cenc_iv(rendition: int, first_segment: int, attempt: int) -> str:
    """The 8-byte IV of an input's first sample, in hexadecimal; the layout is the module's.

    Errors: InvalidInputError where a number does not fit: a wrapped one would repeat a counter block.
    """
    value = 0
    fields = ((rendition, _RENDITION_BITS), (first_segment, _SEGMENT_BITS), (attempt, _ATTEMPT_BITS))
    for number, bits in fields:
        if not 0 <= number < 1 << bits:
            raise InvalidInputError("no unused IV is left for this attempt", {"value": number, "most": (1 << bits) - 1})
        value = value << bits | number
    return f"{value << _SAMPLE_BITS:016x}"


def common_pssh(key_ids: Iterable[str]) -> bytes:
    """A version 1 `pssh` box of the common system that lists key ids (ISO/IEC 23001-7, 8.1; W3C "cenc" format)."""
    unique = [bytes.fromhex(key_id) for key_id in dict.fromkeys(key_ids)]
    payload = b"\x01\0\0\0" + _COMMON_SYSTEM + len(unique).to_bytes(4) + b"".join(unique) + bytes(4)
    return (len(payload) + 8).to_bytes(4) + b"pssh" + payload
