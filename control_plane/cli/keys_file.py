"""The keys file of `framemill transcode`: a package's content keys, beside it and never in it.

`OUT.keys.json` (mode 0600) is what a ClearKey licence is: a JSON Web Key Set (W3C Encrypted Media Extensions, 9.1.4),
which a player can be given as it is. It also says which rendition has which key, in hexadecimal, for tools.

Order of writes: the key-encryption key, then the keys file, whole and durable, then the plan with the wrapped keys
in the journal, then the first encrypted byte. A package whose keys are lost is lost, so the keys come first. The
key-encryption key (`OUT.kek`) opens nothing but the journal's wrapped keys, and goes with the journal.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cluster.documents import KeyEncryptionKeySpec
from control_plane.secret_file import read_or_create
from transcoder.errors import ConflictError, InvalidInputError
from transcoder.packaging.drm import Encryption, KeyClass, Scheme, plan_encryption
from transcoder.packaging.keys import ContentKey, wrap_key
from transcoder.plan import Plan

__all__ = ["KeysFile", "read_keys"]

_KEY_BYTES = 16
_LARGEST_FILE = 1_000_000


class KeysFile:
    """`KeyIssuer` of one package over its keys file and its key-encryption key's file."""

    def __init__(self, path: Path, kek: Path) -> None:
        self._path, self._kek = path, kek

    @property
    def kek(self) -> KeyEncryptionKeySpec:
        """Where the tasks on this machine find the key-encryption key."""
        return KeyEncryptionKeySpec(path=str(self._kek))

    def issue(self, plan: Plan, scheme: Scheme) -> Encryption:
        """Write new keys, or take those that an interrupted run of this job has written.

        Errors: ConflictError where they are for other renditions; InvalidInputError where the file is damaged.
        """
        kek = bytes.fromhex(read_or_create(self._kek, secrets.token_hex(32)))
        classes: dict[KeyClass, ContentKey] = {kind: ContentKey.draw() for _, kind in plan.key_classes}
        text = read_or_create(self._path, json.dumps(_document(plan, scheme, classes), indent=2))
        try:
            written = json.loads(text)
            planned = {own["id"]: (own["class"], own["keyId"]) for own in written["renditions"]}
            keys = {key.key_id: key for key in _keys(written)}
            ours = {name: keys[key_id] for name, (_, key_id) in planned.items()}
            same = written["scheme"] == scheme
        except (KeyError, TypeError, ValueError):
            raise InvalidInputError(f"{self._path.name} is not a keys file") from None
        if not same or {name: kind for name, (kind, _) in planned.items()} != dict(plan.key_classes):
            raise ConflictError(f"{self._path.name} has the keys of another package")
        wrapped = {kind: wrap_key(ours[name], scheme, kek) for name, kind in plan.key_classes}
        return plan_encryption(plan.key_classes, scheme, wrapped, lambda: secrets.token_hex(16))


def read_keys(path: Path) -> Mapping[str, bytes]:
    """The content keys of a keys file, or of any JSON Web Key Set: 16 bytes by key id.

    Errors: InvalidInputError where it is none; its message quotes nothing of the content.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise InvalidInputError(f"{path.name} is too large for a keys file")
        return {key.key_id: key.key for key in _keys(json.loads(path.read_bytes()))}
    except OSError as error:
        raise InvalidInputError(f"{path.name} cannot be read: {error.strerror}") from error
    except ValueError:
        raise InvalidInputError(f"{path.name} is not a keys file") from None  # the cause holds the text, keys and all


def _document(plan: Plan, scheme: Scheme, classes: Mapping[KeyClass, ContentKey]) -> dict[str, Any]:
    return {
        "type": "temporary",
        "keys": [
            {"kty": "oct", "kid": _base64url(key.key_id), "k": _base64url(key.key.hex())} for key in classes.values()
        ],
        "scheme": scheme,
        "renditions": [
            {"id": name, "class": kind, "keyId": classes[kind].key_id, "key": classes[kind].key.hex()}
            for name, kind in plan.key_classes
        ],
    }


def _keys(document: Any) -> list[ContentKey]:
    try:
        pairs = [(_unbase64url(own["kid"]), _unbase64url(own["k"])) for own in document["keys"]]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidInputError("the keys file is not a JSON Web Key Set") from error
    if any(len(value) != _KEY_BYTES for pair in pairs for value in pair):
        raise InvalidInputError(f"the keys file has keys or key ids that are not {_KEY_BYTES} bytes long")
    return [ContentKey(key_id.hex(), key) for key_id, key in pairs]


def _base64url(hexadecimal: str) -> str:
    return base64.urlsafe_b64encode(bytes.fromhex(hexadecimal)).decode("ascii").rstrip("=")


def _unbase64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
