"""The CMAF reader: what it finds is what FFprobe finds, and hostile bytes are an error, never a crash."""

from __future__ import annotations

import contextlib
import struct
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import ffmpeg, titles

from transcoder.errors import VerificationError
from transcoder.isobmff import Box, InitInfo, boxes, read_init, read_segment


def _init(title: titles.Title, rendition: str) -> bytes:
    return (title.folder / f"cmaf/{rendition}/init.mp4").read_bytes()


def _segment(title: titles.Title, rendition: str, number: int) -> bytes:
    return (title.folder / f"cmaf/{rendition}/{number}.m4s").read_bytes()


def _box(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(payload), kind) + payload


def test_video_init(title: titles.Title) -> None:
    init = read_init(_init(title, "v90"))
    assert (init.kind, init.timescale, init.width, init.height) == ("video", 16_000, 160, 90)
    assert init.codecs == "avc1.64000b"


def test_audio_init(title: titles.Title) -> None:
    init = read_init(_init(title, "a0"))
    assert (init.kind, init.timescale, init.codecs) == ("audio", 48_000, "mp4a.40.2")
    assert (init.sample_rate, init.channels) == (48_000, 1)


@pytest.mark.parametrize("rendition", ["v180", "v90", "a0"])
def test_samples_are_those_of_ffprobe(title: titles.Title, rendition: str, tmp_path_factory: pytest.TempPathFactory):
    numbers = range(1, 6)
    whole = tmp_path_factory.mktemp("whole") / "whole.mp4"
    whole.write_bytes(_init(title, rendition) + b"".join(_segment(title, rendition, n) for n in numbers))
    packets = ffmpeg.ffprobe_json(whole, "-show_packets")["packets"]
    expected = [(p["pts"], int(p["size"]), p["flags"].startswith("K")) for p in packets]
    init = read_init(_init(title, rendition))
    samples = [s for n in numbers for s in read_segment(_segment(title, rendition, n), init).samples]
    assert [(s.pts, s.size, s.sync) for s in samples] == expected


def test_segments_join(title: titles.Title) -> None:
    init = read_init(_init(title, "v90"))
    infos = [read_segment(_segment(title, "v90", n), init) for n in range(1, 6)]
    starts = [Fraction(info.start, init.timescale) for info in infos]
    assert starts == [segment.start for segment in title.plan.segments]
    assert [info.end for info in infos[:-1]] == [info.start for info in infos[1:]]
    assert all(info.decode_start == info.start and info.samples[0].sync for info in infos)


@pytest.mark.parametrize("keep", [0, 7, 8, 40, -1])
def test_cut_off_segment(title: titles.Title, keep: int) -> None:
    init = read_init(_init(title, "v180"))
    with pytest.raises(VerificationError, match="not a valid CMAF file"):
        read_segment(_segment(title, "v180", 1)[:keep], init)


def test_cut_off_init(title: titles.Title) -> None:
    data = _init(title, "v180")
    for length in range(len(data)):
        with pytest.raises(VerificationError):
            read_init(data[:length])


def test_a_segment_of_another_track(title: titles.Title) -> None:
    data = bytearray(_segment(title, "v180", 1))
    position = data.index(b"tfhd") + 8
    data[position : position + 4] = struct.pack(">I", 9)
    with pytest.raises(VerificationError, match="another track"):
        read_segment(bytes(data), read_init(_init(title, "v180")))


def test_a_claim_of_billions_of_samples_is_refused() -> None:
    init = InitInfo("video", 1, 1000, "avc1.42c00d", "", 0, 1, 0, 0)
    trun = _box(b"trun", struct.pack(">II", 0, 0xFFFF_FFFF))
    traf = _box(b"tfhd", struct.pack(">II", 0x02_0000, 1)) + _box(b"tfdt", bytes(8)) + trun
    with pytest.raises(VerificationError, match="too many samples"):
        read_segment(_box(b"moof", _box(b"traf", traf)), init)


def test_sample_data_outside_the_segment(title: titles.Title) -> None:
    data = bytearray(_segment(title, "v180", 1))
    position = data.index(b"trun") + 12
    data[position : position + 4] = struct.pack(">i", -400)
    with pytest.raises(VerificationError, match="sample data"):
        read_segment(bytes(data), read_init(_init(title, "v180")))


def test_box_sizes_of_all_kinds() -> None:
    large = struct.pack(">I4sQ", 1, b"wide", 20) + b"abcd"
    rest = struct.pack(">I4s", 0, b"last") + b"xyz"
    found = list(boxes(large + rest, Box("file", 0, 0, len(large + rest))))
    assert found == [Box("wide", 0, 16, 20), Box("last", 20, 28, 31)]


@given(st.binary(max_size=400))
def test_any_bytes_are_an_error(data: bytes) -> None:
    with pytest.raises(VerificationError):
        read_init(data)


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_one_wrong_byte_never_crashes(title: titles.Title, position: int, value: int) -> None:
    init_data, data = bytearray(_init(title, "v90")), bytearray(_segment(title, "v90", 1))
    init_data[position % len(init_data)] = value
    data[position % len(data)] = value
    with contextlib.suppress(VerificationError):
        read_segment(bytes(data), read_init(bytes(init_data)))
