"""A job that cannot get its keys fails before anything is encoded, with the reason."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from support import clips

from cluster.documents import JobRequest, KeyEncryptionKeySpec, StoreSpec
from cluster.engine import Engine
from cluster.ledgers.journal import JournalLedger
from cluster.ports import KeyIssuer
from cluster.runtime.ray_runtime import RayRuntime
from transcoder.errors import ResourceMissingError
from transcoder.packaging.drm import Encryption, Scheme, plan_encryption
from transcoder.packaging.keys import ContentKey, wrap_key
from transcoder.plan import Plan

CLIP = clips.Clip(seconds=Fraction(2), audio=False)


class MemoryIssuer:
    """Keys that live as long as the test, over a key-encryption key's file."""

    def __init__(self, kek: Path, content: str) -> None:
        self._kek, self._content = kek, bytes.fromhex(content)

    @property
    def kek(self) -> KeyEncryptionKeySpec:
        return KeyEncryptionKeySpec(path=str(self._kek))

    def issue(self, plan: Plan, scheme: Scheme) -> Encryption:
        wrapped = {kind: wrap_key(ContentKey.draw(), scheme, self._content) for _, kind in plan.key_classes}
        return plan_encryption(plan.key_classes, scheme, wrapped, lambda: secrets.token_hex(16))


def _no_issuer(_: Path) -> KeyIssuer | None:
    return None


def _no_kek(folder: Path) -> KeyIssuer:
    return MemoryIssuer(folder / "kek", secrets.token_hex(32))


def _another_kek(folder: Path) -> KeyIssuer:
    (folder / "kek").write_text(secrets.token_hex(32))
    (folder / "kek").chmod(0o600)
    return MemoryIssuer(folder / "kek", secrets.token_hex(32))


def _open_kek(folder: Path) -> KeyIssuer:
    content = secrets.token_hex(32)
    (folder / "kek").write_text(content)
    (folder / "kek").chmod(0o644)
    return MemoryIssuer(folder / "kek", content)


def _expect_nothing_encoded(folder: Path) -> None:
    assert not list(folder.rglob("*.m4s"))
    lines = [json.loads(line) for line in (folder / "journal").read_text().splitlines()]
    assert not [line for line in lines if "commit" in line and line["commit"]["key"]["kind"] == "video"]


@pytest.mark.parametrize(
    ("issuer", "reason"),
    [
        (_no_issuer, "no content keys can be had"),
        (_no_kek, "cannot be read"),
        (_another_kek, "does not open"),
        (_open_kek, "owner alone"),
    ],
)
async def test_no_keys_no_encoding(
    runtime: RayRuntime, tmp_path: Path, issuer: Callable[[Path], KeyIssuer | None], reason: str
) -> None:
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "source").symlink_to(clips.cached(CLIP))
    ledger = JournalLedger.create(tmp_path / "journal", "job", JobRequest(drm="clearkey"))
    engine = Engine(
        ledger, runtime, source=(StoreSpec(root=str(tmp_path / "sources")), "source"),
        packages=StoreSpec(root=str(tmp_path / "out")), keys=issuer(tmp_path),
    )  # fmt: skip
    with pytest.raises(ResourceMissingError, match=reason):
        await engine.transcode()
    assert ledger.outcome is not None and ledger.outcome["code"] == "RESOURCE_MISSING"
    _expect_nothing_encoded(tmp_path)
    ledger.close()
