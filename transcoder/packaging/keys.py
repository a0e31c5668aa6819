"""Content keys: how they travel, and how a node opens them.

A content key leaves the process that drew it only wrapped: AES-256-GCM under a key-encryption key, with key id and
scheme as additional data, so that a wrapped key cannot be passed off as another one. A task gets the wrapped keys and
a `KeyUnwrapper`; what that opens lives in the task's memory, and in the Packager's.
"""

from __future__ import annotations

import base64
import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from transcoder.errors import ResourceMissingError
from transcoder.packaging.drm import Encryption, Scheme, WrappedKey

__all__ = ["ContentKey", "Encryptor", "FileKeyUnwrapper", "InputKey", "KeyUnwrapper", "wrap_key"]

_NONCE_BYTES = 12
_KEK_BYTES = 32


@dataclass(frozen=True, slots=True)
class ContentKey:
    """A content key in clear: 16 bytes, which `repr` does not show. `key_id` is 32 hexadecimal digits."""

    key_id: str
    key: bytes = field(repr=False)

    @classmethod
    def draw(cls) -> ContentKey:
        """A new random key under a new random id."""
        return cls(secrets.token_hex(16), secrets.token_bytes(16))


@dataclass(frozen=True, slots=True)
class InputKey:
    """What the Packager needs to encrypt one input file. `iv` is hexadecimal."""

    key: ContentKey
    iv: str


class KeyUnwrapper(Protocol):
    """Opens wrapped content keys on a node. An adapter is one class for each place that keeps key-encryption keys."""

    def unwrap(self, key: WrappedKey) -> ContentKey:
        """The content key. Errors: ResourceMissingError where it cannot be opened here."""
        ...


class FileKeyUnwrapper:
    """Opens keys with a key-encryption key in a file: 64 hexadecimal digits, readable by its owner alone."""

    def __init__(self, path: Path) -> None:
        """Errors: ResourceMissingError where there is no such file, others may read it, or it holds no key."""
        self._kek = _read_kek(path)

    def unwrap(self, key: WrappedKey) -> ContentKey:
        """The content key. Errors: ResourceMissingError where it was wrapped under another key, or changed."""
        try:
            data = base64.b64decode(key.wrapped, validate=True)
            clear = AESGCM(self._kek).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], _bound(key.key_id, key.scheme))
        except (InvalidTag, ValueError) as error:
            raise ResourceMissingError(
                "the key-encryption key does not open this content key", {"keyId": key.key_id}
            ) from error
        return ContentKey(key.key_id, clear)


class Encryptor:
    """A package's encryption with its keys opened: made in a task, and gone with it."""

    def __init__(self, encryption: Encryption, unwrapper: KeyUnwrapper) -> None:
        """Errors: those of the unwrapper."""
        self.encryption = encryption
        self._keys: Mapping[str, ContentKey] = {key.key_id: unwrapper.unwrap(key) for key in encryption.keys}

    def input_key(self, rendition: str, first_segment: int, attempt: int) -> InputKey:
        """Key and IV of the Packager's input that holds a rendition from that segment on. Errors: KeyError."""
        key = self._keys[self.encryption.rendition(rendition).key_id]
        return InputKey(key, self.encryption.iv(rendition, first_segment, attempt))


def wrap_key(key: ContentKey, scheme: Scheme, kek: bytes) -> WrappedKey:
    """Wrap a content key under a key-encryption key of 32 bytes, with a fresh nonce."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    sealed = nonce + AESGCM(kek).encrypt(nonce, key.key, _bound(key.key_id, scheme))
    return WrappedKey(key_id=key.key_id, scheme=scheme, wrapped=base64.b64encode(sealed).decode("ascii"))


def _bound(key_id: str, scheme: Scheme) -> bytes:
    return f"framemill content key {key_id} {scheme}".encode("ascii")


def _read_kek(path: Path) -> bytes:
    try:
        # Checked on the open file: a name could be exchanged in between.
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            text = file.read(4 * _KEK_BYTES)
    except OSError as error:
        raise ResourceMissingError(f"the key-encryption key cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o077:
        raise ResourceMissingError("the key-encryption key's file must be readable by its owner alone (mode 0600)")
    try:
        kek = bytes.fromhex(text.decode("ascii").strip())
    except ValueError as error:
        raise ResourceMissingError("the key-encryption key's file holds no key") from error
    if len(kek) != _KEK_BYTES:
        raise ResourceMissingError(f"the key-encryption key has {len(kek)} bytes instead of {_KEK_BYTES}")
    return kek
