"""The streamed multipart body: what comes out, what is refused, and that no temporary file stays."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from control_plane.rest.upload import ReceivedUpload, receive_upload
from control_plane.service.errors import PayloadTooLargeError
from transcoder.errors import FramemillError, InvalidInputError, UnsupportedMediaError

TYPE = "multipart/form-data; boundary=edge"
VIDEO = b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41" + bytes(range(256)) * 20_000


def part(name: str, data: bytes, filename: str | None = None) -> bytes:
    disposition = f'form-data; name="{name}"' + (f'; filename="{filename}"' if filename is not None else "")
    return f"--edge\r\nContent-Disposition: {disposition}\r\n\r\n".encode() + data + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--edge--\r\n"


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def uncounted(count: int) -> None:
    assert count >= 0


async def pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def receive(
    folder: Path, body: bytes, *, size: int = 65_536, limit: int = 10**8, content_type: str = TYPE
) -> tuple[ReceivedUpload, bytes, int]:
    counted: list[int] = []
    async with receive_upload(
        pieces(body, size), content_type, folder=folder, limit=limit, arrived=counted.append
    ) as upload:
        data = upload.path.read_bytes()
    assert not names(folder)
    return upload, data, sum(counted)


@pytest.mark.parametrize("size", [1_000, 65_536, 10**8])
async def test_a_file_with_a_title(tmp_path: Path, size: int) -> None:
    body = form(part("title", "Été".encode()), part("file", VIDEO, "clip.mp4"))
    upload, data, counted = await receive(tmp_path, body, size=size)
    assert data == VIDEO
    assert counted == len(VIDEO)
    assert upload.sha256 == hashlib.sha256(VIDEO).hexdigest()
    assert (upload.title, upload.name, upload.content_type) == ("Été", "clip.mp4", "video/mp4")
    assert upload.size_bytes == len(VIDEO)


async def test_the_title_may_come_last_or_not_at_all(tmp_path: Path) -> None:
    upload, _, _ = await receive(tmp_path, form(part("file", VIDEO[:99], "a b.mov"), part("title", b" Last ")))
    assert upload.title == "Last"
    upload, _, _ = await receive(tmp_path, form(part("file", VIDEO[:99], "a b.mov")))
    assert upload.title == "a b"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\\\temp\\\\clip.mp4", "clip.mp4"),
        ("", "upload"),
        ("..", "upload"),
        ("a\x00b\x1b.mp4", "ab.mp4"),
        ("x" * 300, "x" * 255),
    ],
)
async def test_a_file_name_is_only_shown(tmp_path: Path, given: str, kept: str) -> None:
    upload, _, _ = await receive(tmp_path, form(part("file", VIDEO[:99], given)))
    assert upload.name == kept


@pytest.mark.parametrize(
    ("body", "error", "text"),
    [
        (form(part("title", b"t")), InvalidInputError, "no file"),
        (form(part("file", b"", "a.mp4")), UnsupportedMediaError, "empty"),
        (form(part("file", b"ffconcat version 1.0\n", "a.mp4")), UnsupportedMediaError, "text"),
        (form(part("file", b"just text " * 10_000, "a.mp4")), UnsupportedMediaError, "text"),
        (
            form(part("file", VIDEO[:9000], "a.mp4"), part("file", VIDEO[:9000], "b.mp4")),
            InvalidInputError,
            "more than one",
        ),
        (form(part("file", VIDEO[:99], "a.mp4"), part("path", b"/etc")), InvalidInputError, "no such field"),
        (form(part("title", b"x" * 5_000), part("file", VIDEO[:99], "a")), InvalidInputError, "title"),
        (form(part("title", b"x" * 201), part("file", VIDEO[:99], "a")), InvalidInputError, "title"),
        (form(part("title", b"a\x00b"), part("file", VIDEO[:99], "a")), InvalidInputError, "title"),
        (form(*(part("title", b"t") for _ in range(2))), InvalidInputError, "more than one title"),
        (part("file", VIDEO[:99], "a.mp4"), InvalidInputError, "ends before"),
        (b"nonsense", InvalidInputError, "malformed"),
        (b"", InvalidInputError, "ends before"),
    ],
    ids=range(13),
)
@pytest.mark.parametrize("size", [7, 10**8])
async def test_what_is_refused(tmp_path: Path, body: bytes, error: type[FramemillError], text: str, size: int) -> None:
    with pytest.raises(error, match=text):
        await receive(tmp_path, body, size=size)
    assert not names(tmp_path)


async def test_the_size_is_watched_while_it_streams(tmp_path: Path) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield part("file", VIDEO, "a.mp4")[:-2]
        while True:
            sent += 1
            assert sent < 100
            yield b"\x00" * 65_536

    with pytest.raises(PayloadTooLargeError) as raised:
        async with receive_upload(endless(), TYPE, folder=tmp_path, limit=len(VIDEO) + 1_000_000, arrived=uncounted):
            pytest.fail("the upload came through")
    assert raised.value.details == {"limitBytes": len(VIDEO) + 1_000_000}
    assert not names(tmp_path)


@pytest.mark.parametrize(
    "content_type", ["", "application/json", "multipart/form-data", "multipart/mixed; boundary=edge"]
)
async def test_another_content_type(tmp_path: Path, content_type: str) -> None:
    with pytest.raises(InvalidInputError, match="multipart/form-data"):
        await receive(tmp_path, form(part("file", VIDEO[:99], "a")), content_type=content_type)


async def test_a_failure_of_the_receiver_removes_the_file(tmp_path: Path) -> None:
    body = form(part("file", VIDEO, "a.mp4"))

    async def fail() -> None:
        async with receive_upload(
            pieces(body, 65_536), TYPE, folder=tmp_path, limit=10**8, arrived=uncounted
        ) as upload:
            assert names(tmp_path) == [upload.path.name]
            raise RuntimeError("later")

    with pytest.raises(RuntimeError, match="later"):
        await fail()
    assert not names(tmp_path)
