"""Object keys: what is one, and what never gets near a store."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.stores.keys import check_key
from transcoder.errors import InvalidInputError


@pytest.mark.parametrize("key", ["a", "a/b.mp4", "cmaf/v1080/12.m4s", "sources/5f-1/x_y=1+2@z"])
def test_keys(key: str) -> None:
    assert check_key(key) == key


@pytest.mark.parametrize(
    "key",
    ["", "/", "/a", "a/", "a//b", "..", "a/../b", ".hidden", "a/.b", "a\\b", "a b", "a\n", "a%2e", "ä", "a\0b",
     "x" * 1001, "C:", "a/b?c", "~"],
)  # fmt: skip
def test_no_keys(key: str) -> None:
    with pytest.raises(InvalidInputError):
        check_key(key)


@given(st.text(max_size=30))
def test_a_key_never_leaves_its_root(text: str) -> None:
    try:
        key = check_key(text)
    except InvalidInputError:
        return
    assert key.isascii()
    assert not key.startswith("/")
    assert all(part not in {"", ".", ".."} for part in key.split("/"))
