"""Which key and which IV: no cenc counter block is ever planned twice, and nothing that is signalled is a key."""

from __future__ import annotations

import secrets
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import plans

from transcoder.boxes import Box, Cursor
from transcoder.errors import InvalidInputError
from transcoder.packaging.drm import (
    CENC_SAMPLES,
    Encryption,
    KeyClass,
    Scheme,
    WrappedKey,
    cenc_iv,
    common_pssh,
    key_class,
    plan_encryption,
)

INPUTS = st.tuples(st.integers(0, (1 << 12) - 1), st.integers(0, (1 << 22) - 1), st.integers(0, (1 << 10) - 1))
CLASSES: tuple[KeyClass, ...] = ("sd", "hd", "uhd", "audio")


def _encryption(scheme: Scheme, height: int = 1080) -> Encryption:
    keys = {kind: WrappedKey(key_id=secrets.token_hex(16), scheme=scheme, wrapped="") for kind in CLASSES}
    classes = plans.plan_of(60, height=height, audio_tracks=2).key_classes
    return plan_encryption(classes, scheme, keys, lambda: secrets.token_hex(16))


@given(st.sets(INPUTS, min_size=2, max_size=50))
def test_no_two_inputs_share_a_counter_block(inputs: set[tuple[int, int, int]]) -> None:
    """Each input counts its samples up from its IV: the next larger IV lies beyond the last sample it may have."""
    starts = sorted(int(cenc_iv(*one), 16) for one in inputs)
    assert all(later - earlier >= CENC_SAMPLES for earlier, later in pairwise(starts))
    assert starts[-1] + CENC_SAMPLES <= 1 << 64


@pytest.mark.parametrize("numbers", [(1 << 12, 1, 1), (0, 1 << 22, 1), (0, 1, 1 << 10), (-1, 1, 1)])
def test_a_number_that_does_not_fit_is_refused_and_not_wrapped(numbers: tuple[int, int, int]) -> None:
    with pytest.raises(InvalidInputError, match="no unused IV"):
        cenc_iv(*numbers)


def test_cenc_ivs_are_those_of_rendition_segment_and_attempt() -> None:
    encryption = _encryption("cenc")
    ids = [own.rendition for own in encryption.renditions]
    asked = [(name, first, attempt) for name in ids for first in (1, 2, 9) for attempt in (1, 2, 3)]
    assert len({encryption.iv(*one) for one in asked}) == len(asked)
    assert {own.constant_iv for own in encryption.renditions} == {None}


def test_a_cbcs_rendition_has_one_random_iv() -> None:
    encryption = _encryption("cbcs")
    ivs = {own.rendition: encryption.iv(own.rendition, 1, 1) for own in encryption.renditions}
    assert len(set(ivs.values())) == len(encryption.renditions)
    assert all(len(iv) == 32 for iv in ivs.values())
    assert all(encryption.iv(name, 77, 3) == iv for name, iv in ivs.items())
    again = _encryption("cbcs")
    assert not {own.constant_iv for own in again.renditions} & set(ivs.values())


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (854, 480, "sd"),
        (720, 576, "sd"),
        (1280, 720, "hd"),
        (1920, 1080, "hd"),
        (1080, 1920, "hd"),
        (3840, 2160, "uhd"),
    ],
)  # fmt: skip
def test_key_classes(width: int, height: int, expected: KeyClass) -> None:
    assert key_class(width, height) == expected


def test_separate_keys_for_classes() -> None:
    encryption = _encryption("cbcs")
    key_ids = {own.rendition: own.key_id for own in encryption.renditions}
    assert key_ids["v1080"] == key_ids["v720"]
    assert key_ids["v480"] == key_ids["v360"] == key_ids["v240"]
    assert key_ids["a0"] == key_ids["a1"]
    assert len({key_ids["v1080"], key_ids["v480"], key_ids["a0"]}) == 3
    assert encryption.signal("v480").key_id == key_ids["v480"]
    with pytest.raises(KeyError):
        encryption.rendition("v9")


def test_it_survives_json() -> None:
    encryption = _encryption("cbcs")
    assert Encryption.model_validate_json(encryption.model_dump_json()) == encryption


def test_common_pssh() -> None:
    one, other = "00" * 15 + "01", "ff" * 16
    box = common_pssh([one, other, one])
    assert box[4:8] == b"pssh"
    cursor = Cursor(box, Box("pssh", 0, 8, len(box)), 8)
    assert (cursor.number(1), cursor.number(3)) == (1, 0)
    assert cursor.take(16).hex() == "1077efecc0b24d02ace33c1e52e2fb4b"
    assert cursor.u32() == 2
    assert [cursor.take(16).hex() for _ in range(2)] == [one, other]
    assert cursor.u32() == 0
    assert cursor.position == len(box) == int.from_bytes(box[:4])
