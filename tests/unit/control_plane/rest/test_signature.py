"""The signature check: every container we take, and what must never reach a demuxer."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest

from control_plane.rest.signature import HEAD_BYTES, sniff
from transcoder.errors import UnsupportedMediaError


def made(container: str, codec: str, frames: int = 30) -> bytes:
    """A real file of that container, from FFmpeg's own muxer."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        stream = output.add_stream(codec, rate=25)
        stream.width, stream.height = (720, 576) if container == "mxf" else (64, 64)
        stream.pix_fmt = "yuv422p" if container == "mxf" else "yuv420p"
        if container == "mxf":
            stream.bit_rate = 10_000_000
        for index in range(frames):
            picture = np.full((stream.height, stream.width, 3), index * 8 % 256, np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode(None))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("container", "codec", "media_type"),
    [
        ("mp4", "libx264", "video/mp4"),
        ("mov", "libx264", "video/quicktime"),
        ("matroska", "libx264", "video/x-matroska"),
        ("webm", "libvpx-vp9", "video/webm"),
        ("mpegts", "libx264", "video/mp2t"),
        ("mpeg", "mpeg1video", "video/mp2p"),
        ("avi", "mpeg4", "video/x-msvideo"),
        ("flv", "libx264", "video/x-flv"),
        ("asf", "msmpeg4", "video/x-ms-asf"),
        ("mxf", "mpeg2video", "application/mxf"),
        ("ogg", "libtheora", "video/ogg"),
        ("ivf", "libvpx-vp9", "video/x-ivf"),
        ("h264", "libx264", "video/mpeg"),
        ("hevc", "libx265", "video/mpeg"),
        ("mpeg2video", "mpeg2video", "video/mpeg"),
    ],
)
def test_each_container_is_known(container: str, codec: str, media_type: str) -> None:
    try:
        av.Codec(codec, "w")
    except av.codec.codec.UnknownCodecError:
        codec = "vp8" if container == "ogg" else codec
    assert sniff(made(container, codec)[:HEAD_BYTES]) == media_type


@pytest.mark.parametrize(
    ("container", "codec", "media_type"),
    [
        ("wav", "pcm_s16le", "audio/wav"),
        ("aiff", "pcm_s16be", "audio/aiff"),
        ("caf", "pcm_s16be", "audio/x-caf"),
        ("w64", "pcm_s16le", "audio/x-w64"),
        ("flac", "flac", "audio/flac"),
        ("mp3", "libmp3lame", "audio/mpeg"),
        ("mp2", "mp2", "audio/mpeg"),
        ("adts", "aac", "audio/mpeg"),
        ("ac3", "ac3", "audio/ac3"),
    ],
)
def test_sound_alone_is_known(container: str, codec: str, media_type: str) -> None:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        stream = output.add_stream(codec, rate=48_000, layout="stereo")
        size = stream.codec_context.frame_size or 1024
        for index in range(4):
            silence = np.zeros((2, size), np.float32)
            frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = 48_000, index * size
            for ready in av.AudioResampler(format=stream.format.name, layout="stereo", rate=48_000).resample(frame):
                output.mux(stream.encode(ready))
        output.mux(stream.encode(None))
    assert sniff(buffer.getvalue()[:HEAD_BYTES]) == media_type


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (b"\x00\x00\x00\x08wide\x00\x00\x10\x00mdat\x00\x01", "video/quicktime"),
        (b"\x00\x00\x10\x00moov\x00\x00\x00\x6cmvhd\x00", "video/quicktime"),
        (b"\x00\x00\x00\x01mdat\x00\x00\x00\x02\x00\x00\x00\x00\x00", "video/quicktime"),
        (b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41", "video/mp4"),
        ((b"\x00\x00\x00\x01" + b"\x47\x40\x11\x10" + b"\xff" * 184) * 4, "video/mp2t"),
        ((b"\x47\x40\x11\x10" + b"\xff" * 200) * 4, "video/mp2t"),
        (b"AV\x01\x00\x55\x00\x17\xf8\x54\x29", "video/x-pva"),
        (b"\x18\x00\x00\xc5\x04\x00\x00\x00\x4d\xf1\x0a\x11", "video/x-vc1"),
        (b"\x18\x00\x00\xc5\x05\x00\x00\x00\x4d\xf1\x0a\x11", "video/x-vc1"),
        (b"\x12\x00\x0a\x0b\x02\x00", "video/av1"),
        (b"\x1f\x07\x00\xbf\x78\x78", "video/dv"),
        (b"#!AMR\n\x3c\x00\x01", "audio/amr"),
        (b"\xff\xf1\x4c\x40\x1b\x3f", "audio/mpeg"),
    ],
)
def test_rarer_forms(head: bytes, media_type: str) -> None:
    assert sniff(head) == media_type


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"hello, this is not a video\n" * 50,
        "schöne Grüße\n".encode() * 500,
        "schöne".encode("utf-16"),
        b"ffconcat version 1.0\nfile 'secret.mp4'\n",
        b"#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:10,\nfile:///etc/passwd\n",
        b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>',
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
        b"The free lunch that is not a box",
        b"abcdftypisom is only text",
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
        b"\xff\xd8\xff\xe0\x00\x10JFIF\x00",
        b"GIF89a\x01\x00\x01\x00",
        b"RIFF\x24\x00\x00\x00WEBPVP8 ",
        b"FORM\x00\x00\x10\x00ILBM\x00",
        b"PK\x03\x04\x14\x00",
        b"%PDF-1.7\n\x00",
        b"\x7fELF\x02\x01\x01\x00",
        b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic",
        b"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00avifmif1",
        b"\x00\x00\x00\x04ftypisom\x00",
        b"\x1a\x45\xdf\xa3\x93\x42\x82\x84door",
        b"\x47" + b"\x00" * 187 + b"\x47" + b"\x00" * 100,
        b"\x00" * 4096,
    ],
    ids=range(24),
)
def test_everything_else_is_refused(head: bytes) -> None:
    with pytest.raises(UnsupportedMediaError) as raised:
        sniff(head)
    assert raised.value.code == "UNSUPPORTED_MEDIA"


def test_text_is_text_even_when_a_character_is_cut_at_the_end() -> None:
    head = ("a" * (HEAD_BYTES - 1) + "ü").encode()[:HEAD_BYTES]
    with pytest.raises(UnsupportedMediaError, match="text"):
        sniff(head)
