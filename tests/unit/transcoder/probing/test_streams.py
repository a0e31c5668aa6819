"""What streams say of themselves: colour, light, the shape of pixels, languages, roles."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import pytest
from support import clips, ffmpeg

from transcoder.errors import UnsupportedMediaError
from transcoder.media import Colour, ContentLight, MediaInfo, VideoStream
from transcoder.probe import probe

PICTURES = ["-f", "lavfi", "-i", "testsrc2=size=160x96:rate=25:duration=0.4"]
SOUND = ["-f", "lavfi", "-i", "anoisesrc=duration=0.4:sample_rate=48000"]
X264 = ["-c:v", "libx264", "-preset", "ultrafast"]


def probed(*arguments: str, container: str = "matroska") -> MediaInfo:
    return probe(io.BytesIO(ffmpeg.run([*arguments, "-f", container, "-"])))


def stream(*arguments: str, container: str = "matroska") -> VideoStream:
    found = probed(*PICTURES, *arguments, container=container).main_video
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("params", "colour"),
    [
        ("colorprim=bt709:transfer=bt709:colormatrix=bt709", Colour(primaries=1, transfer=1, matrix=1)),
        ("colorprim=smpte170m:transfer=smpte170m:colormatrix=smpte170m", Colour(primaries=6, transfer=6, matrix=6)),
        ("colorprim=bt470bg:transfer=bt470bg:colormatrix=bt470bg", Colour(primaries=5, transfer=5, matrix=5)),
        ("colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc", Colour(primaries=9, transfer=18, matrix=9)),
        ("colorprim=bt709:transfer=iec61966-2-1:colormatrix=bt709:fullrange=on",
         Colour(primaries=1, transfer=13, matrix=1, full_range=True)),
        ("", Colour()),
    ],
    ids=["709", "525", "625", "hlg", "srgb full", "nothing"],
)  # fmt: skip
def test_colour_is_read_as_code_points(params: str, colour: Colour) -> None:
    # A raw stream: nothing but the codec's own words.
    found = stream("-pix_fmt", "yuv420p", *X264, "-x264-params", params or "ref=1", container="h264")
    assert found.colour == colour
    assert found.colour.hdr == ("hlg" if "b67" in params else None)


def test_jpeg_and_rgb_have_the_full_range() -> None:
    assert stream("-c:v", "mjpeg", "-pix_fmt", "yuvj420p").colour.full_range
    rgb = stream("-c:v", "libx264rgb", "-pix_fmt", "rgb24")
    assert rgb.colour.full_range
    assert rgb.pixel_format == "gbrp"


def test_hdr10_says_how_it_was_mastered() -> None:
    display = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
    params = f"log-level=none:master-display={display}:max-cll=1000,400"
    params += ":colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"
    found = stream("-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le", "-x265-params", params)
    assert found.bits == 10
    assert found.colour == Colour(primaries=9, transfer=16, matrix=9)
    assert found.colour.hdr == "pq"
    assert found.light == ContentLight(max_content=1000, max_average=400)
    assert found.mastering is not None
    assert found.mastering.red == (Fraction(34_000, 50_000), Fraction(16_000, 50_000))
    assert found.mastering.green == (Fraction(13_250, 50_000), Fraction(34_500, 50_000))
    assert found.mastering.blue == (Fraction(7_500, 50_000), Fraction(3_000, 50_000))
    assert found.mastering.white == (Fraction(15_635, 50_000), Fraction(16_450, 50_000))
    assert found.mastering.min_luminance == Fraction(1, 200)
    assert found.mastering.max_luminance == 1000


@pytest.mark.parametrize(
    ("name", "brightest", "light"),
    [
        ("hevc_hdr10tags-both.mkv", 1000, (1000, 300)),
        ("prores_Meridian-Apple_ProResProxy-HDR10.mp4", 1000, (1000, 100)),
    ],
)
def test_real_hdr10(name: str, brightest: int, light: tuple[int, int]) -> None:
    found = probe(io.BytesIO(clips.media_file(f"odd/{name}").read_bytes())).main_video
    assert found is not None
    assert found.mastering is not None
    assert found.mastering.max_luminance == brightest
    assert found.light == ContentLight(max_content=light[0], max_average=light[1])


@pytest.mark.parametrize(
    ("form", "bits"), [("yuv420p", 8), ("yuv422p", 8), ("yuv444p", 8), ("yuv420p10le", 10), ("yuv444p10le", 10)]
)
def test_depth_and_form(form: str, bits: int) -> None:
    found = stream(*X264, "-pix_fmt", form)
    assert (found.pixel_format, found.bits) == (form, bits)


@pytest.mark.parametrize("container", ["matroska", "mov", "mpegts"])
@pytest.mark.parametrize("copied", [(), ("-aspect", "16:9")], ids=["codec", "container"])
def test_the_shape_of_pixels_is_what_ffprobe_says(container: str, copied: tuple[str, ...], tmp_path: Path) -> None:
    first, path = tmp_path / "first.mkv", tmp_path / "clip"
    ffmpeg.run([*PICTURES, *X264, "-pix_fmt", "yuv420p", "-vf", "setsar=4/3", str(first)])
    ffmpeg.run(["-i", str(first), "-c", "copy", *copied, "-f", container, str(path)])
    said = ffmpeg.ffprobe_json(path)["streams"][0].get("sample_aspect_ratio", "1:1")
    found = probe(io.BytesIO(path.read_bytes())).main_video
    assert found is not None
    assert found.sample_aspect_ratio == Fraction(said.replace(":", "/"))
    assert found.display_size == (round(160 * found.sample_aspect_ratio), 96)


def test_odd_sizes_are_cropped_as_the_codec_says() -> None:
    found = stream("-vf", "scale=159:95", *X264, "-pix_fmt", "yuv444p")
    assert (found.width, found.height, found.crop) == (159, 95, (0, 0, 0, 0))


def test_languages_roles_and_layouts(tmp_path: Path) -> None:
    path = tmp_path / "many.mkv"
    ffmpeg.run(
        [
            *PICTURES, *SOUND, "-map", "0:v", *X264, "-pix_fmt", "yuv420p",
            "-map", "1:a", "-c:a:0", "aac", "-ac:a:0", "2", "-metadata:s:a:0", "language=eng",
            "-disposition:a:0", "default",
            "-map", "1:a", "-c:a:1", "ac3", "-ac:a:1", "6", "-metadata:s:a:1", "language=ger",
            "-disposition:a:1", "dub",
            "-map", "1:a", "-c:a:2", "flac", "-ac:a:2", "1", "-metadata:s:a:2", "title=The director",
            "-disposition:a:2", "comment",
            "-map", "1:a", "-c:a:3", "pcm_s16le", "-ac:a:3", "8", "-disposition:a:3", "visual_impaired",
            str(path),
        ]
    )  # fmt: skip
    media = probe(io.BytesIO(path.read_bytes()))
    assert [(sound.codec, sound.layout, sound.channels) for sound in media.audio] == [
        ("aac", "stereo", 2), ("ac3", "5.1(side)", 6), ("flac", "mono", 1), ("pcm_s16le", "7.1", 8),
    ]  # fmt: skip
    assert [sound.language for sound in media.audio] == ["en", "de", None, None]
    assert [sound.default for sound in media.audio] == [True, False, False, False]
    assert [sound.roles for sound in media.audio] == [(), ("dub",), ("commentary",), ("description",)]
    assert media.audio[2].title == "The director"
    assert media.audio[0].profile == "LC"


def test_the_largest_of_several_videos_is_the_main_one() -> None:
    sizes = ["-map", "0:v", "-map", "0:v", "-s:v:0", "80x48", "-s:v:1", "160x96"]
    media = probed(*PICTURES, *sizes, *X264, "-pix_fmt", "yuv420p")
    assert len(media.video) == 2
    assert media.main_video is not None
    assert media.main_video.index == 1


def test_text_and_pictures_of_text() -> None:
    media = probe(io.BytesIO(clips.media_file("odd/h264_242_4.mkv").read_bytes()))
    assert not media.text
    assert [other.codec for other in media.other] == ["dvd_subtitle"] * 3
    media = probe(io.BytesIO(clips.media_file("nasa_2video_2audio_subs_13s.mp4").read_bytes()))
    assert [text.codec for text in media.text] == ["mov_text"] * 2
    assert (len(media.video), len(media.audio)) == (2, 2)


@pytest.mark.parametrize("container", ["matroska", "mp4", "mpegts", "flv"])
def test_a_late_sound_is_late(container: str, tmp_path: Path) -> None:
    path = tmp_path / "late"
    late = ["-itsoffset", "0.2", *SOUND]
    ffmpeg.run([*PICTURES, *late, *X264, "-pix_fmt", "yuv420p", "-c:a", "aac", "-f", container, str(path)])
    media = probe(io.BytesIO(path.read_bytes()))
    assert media.main_video is not None
    expected = ffmpeg.decode_frames(path, "a:0")[0].time - ffmpeg.decode_frames(path)[0].time
    assert abs(media.audio[0].start - media.main_video.start - expected) <= Fraction(1, 500)


def test_a_picture_before_zero_and_a_late_first_picture(tmp_path: Path) -> None:
    for offset in ("-5", "7"):
        path = tmp_path / f"{offset}.ts"
        moved = ["-output_ts_offset", offset, "-avoid_negative_ts", "disabled"]
        ffmpeg.run([*PICTURES, *X264, "-pix_fmt", "yuv420p", *moved, str(path)])
        found = probe(io.BytesIO(path.read_bytes())).main_video
        assert found is not None
        frames = ffmpeg.decode_frames(path)
        assert (found.start, found.frame_count) == (frames[0].time, len(frames))


@pytest.mark.parametrize("container", ["matroska", "mp4", "mpegts", "avi", "flv", "mov"])
def test_a_single_picture_is_shown_for_a_while(container: str) -> None:
    found = stream(*X264, "-pix_fmt", "yuv420p", "-frames:v", "1", *_fragmented(container), container=container)
    assert found.frame_count == 1
    assert 1 <= found.frame_rate <= 60
    assert Fraction(1, 100) < found.end - found.start <= 1


def _fragmented(container: str) -> list[str]:
    return ["-movflags", "frag_keyframe+empty_moov"] if container in {"mp4", "mov"} else []


def test_a_photograph_is_no_film(tmp_path: Path) -> None:
    path = tmp_path / "photograph.avif"
    ffmpeg.run([*PICTURES, "-frames:v", "1", "-c:v", "libaom-av1", "-still-picture", "1", "-cpu-used", "8", str(path)])
    with pytest.raises(UnsupportedMediaError, match="still picture"):
        probe(io.BytesIO(path.read_bytes()))
