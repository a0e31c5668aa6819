"""What is refused, and with which reason; and what is only warned of."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest
from support import clips, corpus, ffmpeg

from transcoder.errors import UnsupportedMediaError
from transcoder.limits import Limits
from transcoder.media import DolbyVision, MediaInfo
from transcoder.probe import probe
from transcoder.probing.described import Described, parse

PICTURES = ["-f", "lavfi", "-i", "testsrc2=size=160x96:rate=25:duration=1"]
SOUND = ["-f", "lavfi", "-i", "sine=duration=1"]
X264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]


def probed(data: bytes, limits: Limits | None = None) -> MediaInfo:
    return probe(io.BytesIO(data), limits)


def refusal(data: bytes, limits: Limits | None = None) -> str:
    with pytest.raises(UnsupportedMediaError) as refused:
        probed(data, limits)
    return refused.value.message


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "a PNG picture"),
        (b"\xff\xd8\xff\xe0" + bytes(100), "a JPEG picture"),
        (b"%PDF-1.7\n" + bytes(100), "a PDF document"),
        (b"PK\x03\x04" + bytes(100), "a ZIP archive"),
        (b"#EXTM3U\n#EXT-X-VERSION:3\n", "an HLS playlist"),
        (b"ffconcat version 1.0\nfile 'x.mp4'\n", "a script for FFmpeg"),
        (b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"/>', "a DASH manifest"),
        (b".RMF" + bytes(100), "RealMedia"),
        ("Größe: nichts Bewegtes".encode() * 9, "text"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_refusal_says_what_the_file_is(data: bytes, what: str) -> None:
    assert what in refusal(data)


@pytest.mark.parametrize("name", ["mp4 h264 aac", "mkv ffv1 flac", "avi huffyuv", "asf wmv2 wmav2", "ogg theora flac"])
def test_a_source_without_its_index_is_not_called_unknown(name: str) -> None:
    assert "damaged, or cut off" in refusal(corpus.sample(name).read_bytes()[:40])


@pytest.mark.parametrize("image", ["png", "mjpeg", "gif", "bmp"])
def test_pictures_that_somebody_calls_a_film(image: str) -> None:
    still = ffmpeg.run(
        [*PICTURES, "-frames:v", "1", "-c:v", image, "-f", "gif" if image == "gif" else "image2pipe", "-"]
    )
    refusal(still)


def test_an_unsupported_codec_is_named() -> None:
    assert "snow" in refusal(ffmpeg.run([*PICTURES, "-c:v", "snow", "-f", "avi", "-"]))


def test_a_film_without_its_pictures_is_no_sound_recording() -> None:
    data = ffmpeg.run([*PICTURES, *SOUND, "-c:v", "snow", "-c:a", "mp2", "-f", "avi", "-"])
    assert "snow" in refusal(data)


def test_one_unsupported_sound_is_a_warning() -> None:
    codecs = ["-c:a:0", "aac", "-c:a:1", "real_144", "-ar:a:1", "8000", "-ac:a:1", "1"]
    data = ffmpeg.run(
        [*PICTURES, *SOUND, "-map", "0:v", "-map", "1:a", "-map", "1:a", *X264, *codecs, "-f", "matroska", "-"]
    )
    media = probed(data)
    assert [stream.codec for stream in media.audio] == ["aac"]
    assert [(stream.kind, stream.codec) for stream in media.other] == [("audio", "ra_144")]
    assert len(media.warnings) == 1
    assert "ra_144" in media.warnings[0]


def test_cover_art_is_no_film(tmp_path: Path) -> None:
    cover = tmp_path / "cover.png"
    ffmpeg.run([*PICTURES, "-frames:v", "1", str(cover)])
    for name, codec in (("song.m4a", "aac"), ("song.mp3", "libmp3lame"), ("song.flac", "flac")):
        attached = ["-map", "0:a", "-map", "1:v", "-c:v", "copy", "-disposition:v", "attached_pic", "-c:a", codec]
        ffmpeg.run([*SOUND, "-i", str(cover), *attached, str(tmp_path / name)])
        media = probed((tmp_path / name).read_bytes())
        assert media.main_video is None
        assert not media.video
        assert len(media.audio) == 1
        assert [stream.kind for stream in media.other] == ["picture"]
        assert not media.warnings


def test_data_and_attachments_are_left_aside(tmp_path: Path) -> None:
    (tmp_path / "font.ttf").write_bytes(bytes(1000))
    attached = ["-attach", str(tmp_path / "font.ttf"), "-metadata:s:t", "mimetype=application/x-truetype-font"]
    media = probed(ffmpeg.run([*PICTURES, *X264, *attached, "-f", "matroska", "-"]))
    assert media.main_video is not None
    assert [stream.kind for stream in media.other] == ["attachment"]
    assert not media.warnings


def test_common_encryption_is_refused(tmp_path: Path) -> None:
    key = ["-encryption_scheme", "cenc-aes-ctr", "-encryption_key", "0" * 32, "-encryption_kid", "1" * 32]
    ffmpeg.run([*PICTURES, *X264, *key, str(tmp_path / "encrypted.mp4")])
    assert "encrypted" in refusal((tmp_path / "encrypted.mp4").read_bytes())


def test_a_real_encrypted_file_is_refused() -> None:
    assert "encrypted" in refusal(clips.media_file("odd/h264_mov-3elist-encrypted.mp4").read_bytes())


def test_a_scrambled_transport_stream_is_refused() -> None:
    data = bytearray(corpus.sample("ts h264 aac").read_bytes())
    for at in range(0, len(data), 188):
        if int.from_bytes(data[at + 1 : at + 3]) & 0x1FFF >= 0x100:
            data[at + 3] |= 0x80
    assert "scrambled" in refusal(bytes(data))


@pytest.mark.parametrize(
    ("profile", "level", "compatibility"), [(5, 6, 0), (8, 4, 1), (8, 4, 4), (7, 6, 6), (4, 3, 2), (10, 9, 0)]
)
def test_dolby_vision_needs_a_base_layer(profile: int, level: int, compatibility: int) -> None:
    data = bytearray(clips.media_file("odd/hevc_dovi-p81.mp4").read_bytes())
    at = data.index(b"dvvC") + 4
    # Versions, seven bits of profile, six of level, three flags; four bits of compatibility.
    data[at + 2 : at + 4] = struct.pack(">H", profile << 9 | level << 3 | 0b101)
    data[at + 4] = compatibility << 4
    if compatibility == 0:
        assert "Dolby Vision without a base layer" in refusal(bytes(data))
        return
    stream = probed(bytes(data)).main_video
    assert stream is not None
    assert stream.dolby_vision == DolbyVision(profile=profile, level=level, compatibility=compatibility)
    assert (stream.bits, stream.colour.transfer, stream.colour.primaries) == (10, 16, 9)


def test_words_in_the_metadata_are_not_streams() -> None:
    text = "  Metadata:\n    title           : x\n  Stream #0:0: Video: h264\n      Frame Cropping: 1/2/3/4\n"
    assert parse(text) == {0: Described(crop=(3, 4, 1, 2))}
    assert parse("      Frame Cropping: 1/2/3/4\n  Stream #0:0: Video: h264\n").get(0) is None


@pytest.mark.parametrize(
    "limits", [Limits(pixels=160 * 96 - 1), Limits(pictures=10), Limits(streams=1), Limits(frame_rate=24)]
)
def test_limits(limits: Limits) -> None:
    refusal(corpus.sample("mp4 h264 aac").read_bytes(), limits)


def test_a_larger_picture_after_the_first_is_not_decoded(tmp_path: Path) -> None:
    parts = []
    for size in ("160x96", "640x384"):
        source = f"testsrc2=size={size}:rate=25:duration=1"
        parts.append(ffmpeg.run(["-f", "lavfi", "-i", source, *X264, "-g", "5", "-f", "h264", "-"]))
    allowed = Limits(pixels=160 * 96)
    assert probed(parts[0], allowed).main_video is not None
    assert "pixels" in refusal(parts[0] + parts[1], allowed)
