"""The boxes of common encryption: what does not fit is an error with its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import titles
from support.keys import PackageKeys

from transcoder.cenc import Protection
from transcoder.errors import VerificationError
from transcoder.isobmff import read_init, read_segment
from transcoder.packaging.drm import Scheme


@pytest.fixture(scope="module", params=["cbcs", "cenc"])
def files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Scheme, bytes, bytes]:
    """Init segment and first media segment of an encrypted rendition."""
    keys = PackageKeys(tmp_path_factory.mktemp("keys"), request.param)
    folder: Path = titles.make_title(titles.VARIABLE, tmp_path_factory.mktemp("title"), encrypt=keys.encrypt).folder
    own = folder / "cmaf/v90"
    return request.param, (own / "init.mp4").read_bytes(), (own / "1.m4s").read_bytes()


def _patched(data: bytes, box: bytes, offset: int, value: bytes) -> bytes:
    position = data.index(box) + offset
    return data[:position] + value + data[position + len(value) :]


def test_scheme_and_original_format(files: tuple[Scheme, bytes, bytes]) -> None:
    scheme, init, segment = files
    info = read_init(init)
    assert isinstance(info.protection, Protection)
    assert info.protection.scheme == scheme
    assert info.codecs.startswith("avc1.")
    assert (info.width, info.height) == (160, 90)
    expected = (0, 16) if scheme == "cbcs" else (8, 0)
    assert (info.protection.iv_size, len(info.protection.constant_iv)) == expected
    found = read_segment(segment, info)
    assert len(found.protection) == found.frames
    assert {len(sample.iv) for sample in found.protection} == {info.protection.iv_size}
    assert all(0 < one.protected <= sample.size for one, sample in zip(found.protection, found.samples, strict=True))


@pytest.mark.parametrize(
    ("box", "offset", "value"),
    [
        (b"tenc", 10, b"\0"),  # nothing is protected
        (b"tenc", 11, b"\7"),  # an IV size that there is not
        (b"frma", 4, b"hvc1"),
        (b"sinf", 0, b"free"),
        (b"schi", 0, b"free"),
        (b"schm", 0, b"free"),
        (b"avcC", 0, b"free"),
    ],
)
def test_a_damaged_init_segment(files: tuple[Scheme, bytes, bytes], box: bytes, offset: int, value: bytes) -> None:
    with pytest.raises(VerificationError, match="not a valid CMAF file"):
        read_init(_patched(files[1], box, offset, value))


@pytest.mark.parametrize(
    ("offset", "value", "reason"),
    [
        (0, b"free", "0 'senc' boxes"),
        (8, b"\0\0\0\1", "not every sample"),
        (8, b"\xff\xff\xff\xff", "not every sample"),
        (12, b"\xff" * 24, "too short|not its size"),
    ],
)
def test_a_damaged_segment(files: tuple[Scheme, bytes, bytes], offset: int, value: bytes, reason: str) -> None:
    _, init, segment = files
    with pytest.raises(VerificationError, match=reason):
        read_segment(_patched(segment, b"senc", offset, value), read_init(init))
