"""The keys file: a licence that a player can be given, written once, never overwritten."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path

import pytest
from support import plans

from control_plane.cli.keys_file import KeysFile, read_keys
from transcoder.errors import ConflictError, InvalidInputError, ResourceMissingError
from transcoder.packaging.keys import FileKeyUnwrapper
from transcoder.plan import Plan


@pytest.fixture
def plan() -> Plan:
    return plans.plan_of(10, height=1080, audio_tracks=2)


@pytest.fixture
def issuer(tmp_path: Path) -> KeysFile:
    return KeysFile(tmp_path / "out.keys.json", tmp_path / "out.kek")


def test_a_json_web_key_set_with_the_keys_that_are_wrapped(issuer: KeysFile, plan: Plan, tmp_path: Path) -> None:
    encryption = issuer.issue(plan, "cbcs")
    path = tmp_path / "out.keys.json"
    document = json.loads(path.read_text())
    assert document["type"] == "temporary"
    assert {key["kty"] for key in document["keys"]} == {"oct"}
    assert len(document["keys"]) == 3, "HD, SD and audio"
    assert all(len(base64.urlsafe_b64decode(key["k"] + "==")) == 16 for key in document["keys"])
    opened = {key.key_id: FileKeyUnwrapper(Path(issuer.kek.path)).unwrap(key).key for key in encryption.keys}
    assert opened == read_keys(path)
    assert {own["id"]: (own["keyId"], bytes.fromhex(own["key"])) for own in document["renditions"]} == {
        own.rendition: (own.key_id, opened[own.key_id]) for own in encryption.renditions
    }
    assert [stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()] == [0o600, 0o600]


def test_the_same_package_has_the_same_keys(issuer: KeysFile, plan: Plan) -> None:
    first, again = issuer.issue(plan, "cenc"), issuer.issue(plan, "cenc")
    assert first.renditions == again.renditions
    assert [key.key_id for key in first.keys] == [key.key_id for key in again.keys]


def test_another_package_has_others(issuer: KeysFile, plan: Plan, tmp_path: Path) -> None:
    other = KeysFile(tmp_path / "other.keys.json", tmp_path / "other.kek")
    ids = {key.key_id for key in issuer.issue(plan, "cbcs").keys}
    assert not ids & {key.key_id for key in other.issue(plan, "cbcs").keys}
    with pytest.raises(ResourceMissingError):
        FileKeyUnwrapper(tmp_path / "other.kek").unwrap(issuer.issue(plan, "cbcs").keys[0])


def test_keys_of_other_renditions_or_another_scheme_are_not_taken(issuer: KeysFile, plan: Plan) -> None:
    issuer.issue(plan, "cbcs")
    with pytest.raises(ConflictError):
        issuer.issue(plan, "cenc")
    with pytest.raises(ConflictError):
        issuer.issue(plans.plan_of(10, height=720), "cbcs")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"renditions": [], "keys": 1, "scheme": "cbcs"}'])
def test_a_damaged_keys_file_is_left_alone(issuer: KeysFile, plan: Plan, tmp_path: Path, text: str) -> None:
    path = tmp_path / "out.keys.json"
    path.write_text(text)
    with pytest.raises((InvalidInputError, ConflictError)):
        issuer.issue(plan, "cbcs")
    assert path.read_text() == text


def test_an_error_about_a_keys_file_quotes_nothing_of_it(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text('{"keys": [{"kid": "secret-kid", "k": "secret-key"')
    with pytest.raises(InvalidInputError) as caught:
        read_keys(path)
    assert "secret" not in f"{caught.value!r} {caught.value.__cause__!r}"
