"""Packets that show no picture of their own: hidden references, placeholders, second fields."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.video
import pytest
from av.packet import Packet
from support import ffmpeg

from transcoder.probe import probe
from transcoder.probing.coded import shows_picture
from transcoder.probing.h264 import Fields

RATE = 25


def made(*options: str, container: str) -> bytes:
    source = f"testsrc2=size=160x96:rate={RATE}:duration=3"
    return ffmpeg.run(["-f", "lavfi", "-i", source, *options, "-f", container, "-"])


def packets_of(data: bytes) -> tuple[list[Packet[Any]], bytes]:
    with av.open(io.BytesIO(data), "r") as container:
        stream = container.streams.video[0]
        return [packet for packet in container.demux(stream) if packet.size], stream.codec_context.extradata or b""


def test_hidden_references_of_vp9_are_no_pictures(tmp_path: Path) -> None:
    options = ["-c:v", "libvpx-vp9", "-cpu-used", "5", "-auto-alt-ref", "1", "-lag-in-frames", "25", "-b:v", "200k"]
    log = ["-passlogfile", str(tmp_path / "log"), "-pass"]
    made(*options, *log, "1", container="null")
    data = made(*options, *log, "2", container="ivf")
    (tmp_path / "hidden.ivf").write_bytes(data)
    frames = ffmpeg.decode_frames(tmp_path / "hidden.ivf")
    packets, _ = packets_of(data)
    assert any(bytes(packet)[-1] & 0xE0 == 0xC0 for packet in packets), "the clip has to have superframes"
    shows = shows_picture("vp9", b"")
    assert shows is not None
    assert sum(map(shows, packets)) == len(frames)
    stream = probe(io.BytesIO(data)).main_video
    assert stream is not None
    assert stream.frame_count == len(frames) == 3 * RATE


def test_hidden_references_of_vp8_are_no_pictures(tmp_path: Path) -> None:
    source = made("-c:v", "libvpx", "-cpu-used", "8", "-auto-alt-ref", "0", "-g", "60", container="ivf")
    packets, _ = packets_of(source)
    data = source[:32]
    for number, packet in enumerate(map(bytes, packets)):
        # What a picture refers to may come as a picture of its own that is not shown: RFC 6386, 9.1.
        hidden = [bytes([packet[0] & ~0x10]) + packet[1:]] if number % 5 == 3 else []
        for coded in (*hidden, packet):
            data += struct.pack("<IQ", len(coded), number) + coded
    (tmp_path / "hidden.ivf").write_bytes(data)
    frames = ffmpeg.decode_frames(tmp_path / "hidden.ivf")
    stream = probe(io.BytesIO(data)).main_video
    assert stream is not None
    assert len(packets_of(data)[0]) > len(frames) == 3 * RATE
    assert stream.frame_count == len(frames)


def test_a_packed_bitstream_has_as_many_pictures_as_it_shows(tmp_path: Path) -> None:
    """As DivX packs it: a B-picture in the packet of the one that it refers to, and a placeholder where it was."""
    source = made("-c:v", "mpeg4", "-bf", "1", "-g", "15", container="avi")
    packets, extradata = packets_of(source)
    path = tmp_path / "packed.avi"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("mpeg4", rate=RATE)
        assert isinstance(stream, av.video.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        stream.codec_context.extradata = extradata
        for number, data in enumerate(packed(map(bytes, packets))):
            packet: Packet[Any] = Packet(data)
            packet.stream, packet.time_base, packet.dts = stream, Fraction(1, RATE), number
            packet.is_keyframe = coding_type(data) == 0
            output.mux(packet)
    frames = ffmpeg.decode_frames(path)
    found = probe(io.BytesIO(path.read_bytes())).main_video
    assert found is not None
    assert len(frames) == 3 * RATE
    assert found.frame_count == len(frames)


def coding_type(data: bytes) -> int:
    """0 of an I picture, 1 of a P picture, 2 of a B picture: ISO/IEC 14496-2, table 6-20."""
    return data[data.index(b"\0\0\1\xb6") + 4] >> 6


def packed(packets: Iterable[bytes]) -> list[bytes]:
    found: list[bytes] = []
    for data in packets:
        if coding_type(data) == 0:
            # By these words a decoder knows that the stream is packed.
            start = data.index(b"\0\0\1\xb6")
            found.append(data[:start] + b"\0\0\1\xb2DivX503b1393p" + data[start:])
        elif coding_type(data) == 2:
            found[-1] += data
            # A P picture that is not coded: its time, as of a resolution of 25 in five bits, is 0.
            found.append(b"\0\0\1\xb6" + bytes([0b01_0_1_0000, 0b0_1_0_01111]))
        else:
            found.append(data)
    return found


def bits(*fields: tuple[int, int] | int) -> str:
    """Fixed numbers as (value, bits), and Exp-Golomb codes as numbers alone."""
    text = ""
    for field in fields:
        if isinstance(field, tuple):
            text += format(field[0], f"0{field[1]}b")
        else:
            code = format(field + 1, "b")
            text += "0" * (len(code) - 1) + code
    return text


def unit(head: int, text: str) -> bytes:
    text += "1"
    text += "0" * (-len(text) % 8)
    return b"\0\0\1" + bytes([head]) + int(text, 2).to_bytes(len(text) // 8)


# Main profile, level 3, four bits of frame number, 45 by 18 macroblocks in a field, not frames only.
SEQUENCE = unit(0x67, bits((77, 8), (0, 8), (30, 8), 0, 0, 2, 2, (0, 1), 44, 17, (0, 1), (1, 1), (0, 1), (0, 1)))
PICTURE = unit(0x68, bits(0, 0, (0, 1), (0, 1), 0, 0, 0, (0, 1), (0, 2), 0, 0, 0, (0, 3)))


def slice_of(number: int, parity: str | None, *, reference: bool = True) -> bytes:
    """The first bits of a P slice: of a frame, or of its top or bottom field."""
    fields: list[tuple[int, int] | int] = [0, 0, 0, (number, 4), (parity is not None, 1)]
    if parity is not None:
        fields.append((parity == "bottom", 1))
    return unit(0x61 if reference else 0x01, bits(*fields, (0, 16)))


@pytest.mark.parametrize(
    ("slices", "pictures"),
    [
        ([(0, None), (1, None), (2, None)], [True, True, True]),
        ([(0, "top"), (0, "bottom"), (1, "top"), (1, "bottom")], [True, False, True, False]),
        ([(0, "bottom"), (0, "top"), (1, None), (2, "top"), (2, "bottom")], [True, False, True, True, False]),
        ([(0, "top"), (1, "top"), (1, "bottom")], [True, True, False]),
        ([(0, "top"), (1, "bottom"), (1, "top")], [True, True, False]),
    ],
    ids=["frames", "fields", "both", "a field is missing", "its partner is missing"],
)
def test_two_fields_are_one_picture(slices: list[tuple[int, str | None]], pictures: list[bool]) -> None:
    shows = Fields(b"")
    packets = [slice_of(number, parity) for number, parity in slices]
    packets[0] = SEQUENCE + PICTURE + packets[0]
    assert [shows(Packet(data)) for data in packets] == pictures


def test_damaged_parameter_sets_hide_no_picture() -> None:
    shows = Fields(SEQUENCE[:6])
    assert shows(Packet(slice_of(0, "top")))
    assert shows(Packet(b""))
