"""Content keys travel wrapped, and are opened only by the right key-encryption key in a private file."""

from __future__ import annotations

import base64
import pickle
import secrets
from pathlib import Path

import pytest
from support.keys import forms

from transcoder.errors import ResourceMissingError
from transcoder.packaging.drm import WrappedKey
from transcoder.packaging.keys import ContentKey, FileKeyUnwrapper, InputKey, wrap_key


@pytest.fixture
def kek(tmp_path: Path) -> Path:
    path = tmp_path / "kek"
    path.write_text(secrets.token_hex(32) + "\n")
    path.chmod(0o600)
    return path


def _wrapped(kek: Path, key: ContentKey) -> WrappedKey:
    return wrap_key(key, "cbcs", bytes.fromhex(kek.read_text()))


def test_wrapped_and_opened(kek: Path) -> None:
    key = ContentKey.draw()
    assert FileKeyUnwrapper(kek).unwrap(_wrapped(kek, key)) == key


def test_a_wrapped_key_does_not_show_the_key(kek: Path) -> None:
    key = ContentKey.draw()
    wrapped = _wrapped(kek, key)
    seen = wrapped.model_dump_json().encode() + pickle.dumps(wrapped) + base64.b64decode(wrapped.wrapped)
    assert not any(form in seen for form in forms(key.key))
    assert _wrapped(kek, key) != wrapped, "a nonce is used once"


def test_repr_hides_the_key() -> None:
    key = ContentKey.draw()
    shown = repr([key, InputKey(key, "00")]).encode()
    assert key.key_id.encode() in shown
    assert not any(form in shown for form in forms(key.key))
    assert repr(key.key).encode() not in shown


def test_another_kek_opens_nothing(kek: Path) -> None:
    wrapped = _wrapped(kek, ContentKey.draw())
    kek.write_text(secrets.token_hex(32))
    with pytest.raises(ResourceMissingError, match="does not open"):
        FileKeyUnwrapper(kek).unwrap(wrapped)


@pytest.mark.parametrize(
    "change", [{"key_id": "0" * 32}, {"scheme": "cenc"}, {"wrapped": ""}, {"wrapped": "AAAA"}, {"wrapped": "!"}]
)
def test_a_changed_wrapped_key_is_not_opened(kek: Path, change: dict[str, str]) -> None:
    wrapped = _wrapped(kek, ContentKey.draw()).model_copy(update=change)
    with pytest.raises(ResourceMissingError):
        FileKeyUnwrapper(kek).unwrap(wrapped)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_kek_that_others_can_read_is_refused(kek: Path, mode: int) -> None:
    kek.chmod(mode)
    with pytest.raises(ResourceMissingError, match="owner alone"):
        FileKeyUnwrapper(kek)


@pytest.mark.parametrize("text", ["", "hello", "00" * 16, "zz" * 32, "00" * 33])
def test_a_file_without_a_kek(kek: Path, text: str) -> None:
    kek.write_text(text)
    with pytest.raises(ResourceMissingError) as caught:
        FileKeyUnwrapper(kek)
    assert not text or text not in caught.value.message


def test_a_missing_kek(tmp_path: Path) -> None:
    with pytest.raises(ResourceMissingError, match="cannot be read"):
        FileKeyUnwrapper(tmp_path / "kek")
