"""What every object store does, whatever technology it is over."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from cluster.ports import ObjectStore
from cluster.stores.local import LocalStore
from transcoder.errors import AlreadyExistsError, InvalidInputError, NotFoundError

Make = Callable[[str], ObjectStore]


@pytest.fixture(params=["local"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Opens the same store under a prefix."""
    assert request.param == "local"
    return lambda prefix: LocalStore(tmp_path / "store", prefix=prefix)


@pytest.fixture
def store(make: Make) -> ObjectStore:
    return make("")


def test_what_was_created_is_read_back(store: ObjectStore, tmp_path: Path) -> None:
    info = store.create("a/b/c.bin", b"0123456789")
    assert (info.key, info.size) == ("a/b/c.bin", 10)
    assert store.read("a/b/c.bin") == b"0123456789"
    assert store.stat("a/b/c.bin") == info
    (tmp_path / "file").write_bytes(b"from a file")
    store.create("d", tmp_path / "file")
    assert store.read("d") == b"from a file"


def test_ranges_and_seeks(store: ObjectStore) -> None:
    store.create("x", bytes(range(256)) * 5000)
    whole = store.read("x")
    assert b"".join(store.stream("x")) == whole
    assert b"".join(store.stream("x", 1000)) == whole[1000:]
    assert b"".join(store.stream("x", 300_000, 900_001)) == whole[300_000:900_001]
    assert b"".join(store.stream("x", 5, 5)) == b""
    assert b"".join(store.stream("x", len(whole) - 1, len(whole) + 100)) == whole[-1:]
    with store.open("x") as file:
        assert file.seek(0, 2) == len(whole)
        file.seek(777_777)
        assert file.read(10) == whole[777_777:777_787]


def test_create_never_writes_over(store: ObjectStore) -> None:
    before = store.create("x", b"first")
    with pytest.raises(AlreadyExistsError):
        store.create("x", b"second")
    assert store.read("x") == b"first"
    assert store.stat("x") == before


def test_exactly_one_of_many_creators_wins(store: ObjectStore) -> None:
    won: list[int] = []
    barrier = threading.Barrier(8)

    def create(number: int) -> None:
        barrier.wait()
        try:
            store.create("race/x", str(number).encode() * 1000)
            won.append(number)
        except AlreadyExistsError:
            pass

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert store.read("race/x") == str(won[0]).encode() * 1000


def test_replace_is_atomic_and_changes_the_etag(store: ObjectStore) -> None:
    first = store.replace("m", b"one")
    second = store.replace("m", b"two, longer")
    assert store.read("m") == b"two, longer"
    assert first.etag != second.etag


def test_link_shares_bytes_and_is_idempotent(store: ObjectStore) -> None:
    store.create("attempts/1/x", b"bytes")
    for _ in range(2):
        assert store.link("attempts/1/x", "cmaf/x").size == 5
    store.create("attempts/2/x", b"bytes")
    store.link("attempts/2/x", "cmaf/x")
    store.create("attempts/3/x", b"other")
    with pytest.raises(AlreadyExistsError):
        store.link("attempts/3/x", "cmaf/x")
    store.delete_prefix("attempts")
    assert store.read("cmaf/x") == b"bytes"
    with pytest.raises(NotFoundError):
        store.link("attempts/1/x", "cmaf/y")


def test_list_is_sorted_and_bound_to_the_prefix(make: Make) -> None:
    store = make("")
    for key in ("b/2", "a/1", "b/1/x", "bb/1"):
        store.create(key, key.encode())
    assert [info.key for info in store.list()] == ["a/1", "b/1/x", "b/2", "bb/1"]
    assert [info.key for info in store.list("b/")] == ["b/1/x", "b/2"]
    assert [info.key for info in make("b/").list()] == ["1/x", "2"]
    assert make("b/").read("2") == b"b/2"


def test_delete(store: ObjectStore) -> None:
    for key in ("a/1", "a/b/2", "ab/3"):
        store.create(key, b"x")
    store.delete("a/1")
    store.delete("a/1")
    with pytest.raises(NotFoundError):
        store.stat("a/1")
    assert store.delete_prefix("a") == 1
    assert [info.key for info in store.list()] == ["ab/3"]
    store.create("a/1", b"again")


@pytest.mark.parametrize("call", ["read", "stat", "open", "stream"])
def test_what_is_missing_is_not_found(store: ObjectStore, call: str) -> None:
    store.create("folder/x", b"x")
    for key in ("missing", "folder", "folder/x/y"):
        with pytest.raises(NotFoundError):
            getattr(store, call)(key)


@pytest.mark.parametrize("key", ["../x", "/etc/passwd", "a/../../x", "", "a//b", ".incoming/x"])
def test_no_key_leaves_the_store(store: ObjectStore, key: str) -> None:
    for call in (store.read, store.stat, store.delete, lambda k: store.create(k, b""), lambda k: store.link("a", k)):
        with pytest.raises(InvalidInputError):
            call(key)


def test_a_creator_that_dies_leaves_no_object(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        store.create("x", tmp_path / "missing source")
    with pytest.raises(NotFoundError):
        store.stat("x")
    assert list(store.list()) == []
