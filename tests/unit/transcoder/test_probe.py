"""The probe: exact counts and times, and a clear reason for what it refuses."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import pytest
from support import clips, ffmpeg

from transcoder.errors import UnsupportedMediaError
from transcoder.media import MediaInfo
from transcoder.probe import Limits, probe


def probe_path(path: Path, limits: Limits | None = None) -> MediaInfo:
    with path.open("rb") as file:
        return probe(file, limits)


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(24000, 1001), Fraction(30000, 1001), Fraction(60)])
def test_rate_count_and_duration_are_exact(fps: Fraction) -> None:
    clip = clips.Clip(seconds=Fraction(2), fps=fps)
    stream = probe_path(clips.cached(clip)).main_video
    assert stream is not None
    assert stream.frame_rate == fps
    assert stream.constant_frame_rate
    assert stream.frame_count == len(clip.frames)
    assert stream.end - stream.start == len(clip.frames) / fps
    assert (stream.width, stream.height) == (clip.width, clip.height)


@pytest.mark.parametrize("name", ["bbb_480p24_30s.mp4", "bbb_720p25_5s.mp4", "street_1080p30_6s.mp4"])
def test_a_real_clip_has_what_an_independent_decoder_finds(name: str) -> None:
    path = clips.media_file(name)
    stream = probe_path(path).main_video
    assert stream is not None
    frames = ffmpeg.decode_frames(path)
    assert stream.frame_count == len(frames)
    assert stream.start == frames[0].time
    assert stream.end == frames[-1].time + 1 / stream.frame_rate


def test_keyframes_are_where_they_were_put() -> None:
    clip = clips.Clip(seconds=Fraction(4), keyframe_interval=20)
    stream = probe_path(clips.cached(clip)).main_video
    assert stream is not None
    assert [(k.pts - stream.start_pts) * stream.time_base * 25 for k in stream.keyframes] == [0, 20, 40, 60, 80]
    assert all(keyframe.dts <= keyframe.pts for keyframe in stream.keyframes)


def test_a_variable_rate_is_seen() -> None:
    clip = clips.Clip(seconds=Fraction(4), dropped=frozenset({10, 11, 12, 50}))
    stream = probe_path(clips.cached(clip)).main_video
    assert stream is not None
    assert not stream.constant_frame_rate
    assert stream.frame_rate == 25
    assert stream.frame_count == 96


def test_the_sound_keeps_its_offset() -> None:
    clip = clips.Clip(seconds=Fraction(3), audio_offset=Fraction(1, 2))
    media = probe_path(clips.cached(clip))
    assert media.main_video is not None
    assert abs(media.audio[0].start - media.main_video.start - Fraction(1, 2)) < Fraction(1, 40)


HOSTILE = {
    "empty": b"",
    "text": b"This is not a video.\n" * 50,
    "ffconcat": b"ffconcat version 1.0\nfile 'neighbour.mp4'\n",
    "playlist": b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    "sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    "zeros": bytes(100_000),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_video_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "neighbour.mp4").write_bytes(clips.cached(clips.Clip(seconds=Fraction(1))).read_bytes())
    path = tmp_path / "source.mp4"
    path.write_bytes(HOSTILE[name])
    with pytest.raises(UnsupportedMediaError):
        probe_path(path)


@pytest.mark.parametrize("kept", [8, 100, 5000])
def test_a_file_cut_before_its_index_is_refused(kept: int) -> None:
    whole = clips.cached(clips.Clip(seconds=Fraction(2))).read_bytes()
    assert whole.find(b"moov") > kept, "the generated clips have their index at the end"
    with pytest.raises(UnsupportedMediaError):
        probe(io.BytesIO(whole[:kept]))


def test_nothing_but_the_source_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # libav opens by name in C, where no Python hook sees it: so the neighbour is a pipe that would block.
    import os

    os.mkfifo(tmp_path / "neighbour.mp4")
    script = tmp_path / "source.mp4"
    script.write_bytes(f"ffconcat version 1.0\nfile '{tmp_path / 'neighbour.mp4'}'\n".encode())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnsupportedMediaError):
        probe_path(script)


@pytest.mark.parametrize(
    "limits",
    [Limits(streams=1), Limits(pixels=100), Limits(frame_rate=10), Limits(duration_seconds=1)],
    ids=["streams", "pixels", "frame rate", "duration"],
)
def test_a_source_over_a_limit_is_refused(limits: Limits) -> None:
    with pytest.raises(UnsupportedMediaError):
        probe_path(clips.cached(clips.Clip(seconds=Fraction(2))), limits)
