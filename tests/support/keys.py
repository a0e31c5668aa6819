"""Content keys for tests: drawn anew each time, wrapped and opened as in a real job."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from pathlib import Path

from transcoder.cenc import SampleProtection
from transcoder.isobmff import read_init, read_segment
from transcoder.packaging.drm import KeyClass, Scheme, plan_encryption
from transcoder.packaging.keys import ContentKey, Encryptor, FileKeyUnwrapper, wrap_key
from transcoder.plan import Plan

__all__ = ["PackageKeys", "forms", "samples_of"]


class PackageKeys:
    """The keys of one package: `clear` by key id, and `encrypt` for a plan."""

    def __init__(self, folder: Path, scheme: Scheme) -> None:
        self.scheme = scheme
        self.kek = folder / "kek"
        self.kek.write_text(secrets.token_hex(32))
        self.kek.chmod(0o600)
        self.classes: Mapping[KeyClass, ContentKey] = {kind: ContentKey.draw() for kind in ("sd", "hd", "uhd", "audio")}

    @property
    def clear(self) -> dict[str, bytes]:
        """The content keys by key id."""
        return {key.key_id: key.key for key in self.classes.values()}

    def encrypt(self, plan: Plan) -> Encryptor:
        """Decide about a plan, and open the wrapped keys as a task does."""
        kek = bytes.fromhex(self.kek.read_text())
        wrapped = {kind: wrap_key(key, self.scheme, kek) for kind, key in self.classes.items()}
        planned = plan_encryption(plan.key_classes, self.scheme, wrapped, lambda: secrets.token_hex(16))
        return Encryptor(planned, FileKeyUnwrapper(self.kek))


def forms(key: bytes) -> tuple[bytes, ...]:
    """How a key may appear in a file: raw, hexadecimal in both cases, base64 and base64url."""
    return (
        key,
        key.hex().encode(),
        key.hex().upper().encode(),
        base64.b64encode(key).rstrip(b"="),
        base64.urlsafe_b64encode(key).rstrip(b"="),
    )


def samples_of(init: Path, segment: Path) -> tuple[SampleProtection, ...]:
    """The encryption of each sample of a segment."""
    return read_segment(segment.read_bytes(), read_init(init.read_bytes())).protection
