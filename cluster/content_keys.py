"""Where tasks open content keys: the spec that travels to a node, and what it becomes there."""

from __future__ import annotations

from pathlib import Path

from cluster.documents import PackageEncryption
from transcoder.packaging.keys import Encryptor, FileKeyUnwrapper

__all__ = ["open_encryptor"]


def open_encryptor(encryption: PackageEncryption | None) -> Encryptor | None:
    """The package's keys, opened on this node; None where the package is in clear.

    Errors: ResourceMissingError where the key-encryption key is not here, or is another one.
    """
    if encryption is None:
        return None
    return Encryptor(encryption.encryption, FileKeyUnwrapper(Path(encryption.kek.path)))
