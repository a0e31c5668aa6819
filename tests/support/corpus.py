"""Small clips of every container and codec that a source may have, made by an FFmpeg that is not the one under test.

Each is two seconds of 160x96 at 25 pictures a second with a tone, unless its name says otherwise. They are made once,
into the cache of clips.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from support import clips, ffmpeg

__all__ = ["CORPUS", "Sample", "sample"]


@dataclass(frozen=True)
class Sample:
    """What to make: FFmpeg's arguments for pictures and for sound, its muxer, and the codecs' names afterwards."""

    muxer: str
    video: str | None
    audio: str | None = None
    codecs: tuple[str, ...] = ()
    size: str = "160x96"
    rate: str = "25"
    seconds: int = 2
    filters: str = ""
    again: str = ""
    """Input options of a second pass that copies the streams: what only a container can say."""

    @property
    def path(self) -> Path:
        """The file, made on first use."""
        name = hashlib.sha256(repr(self).encode()).hexdigest()[:16]
        path = clips.cache_dir() / f"sample-{name}.{self.muxer}"
        return path if path.exists() else self._make(path)

    def _make(self, path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".draft")
        arguments: list[str] = []
        if self.video:
            arguments += ["-f", "lavfi", "-i", f"testsrc2=size={self.size}:rate={self.rate}:duration={self.seconds}"]
        if self.audio:
            arguments += ["-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=48000:duration={self.seconds}"]
        if self.filters:
            arguments += ["-vf", self.filters]
        arguments += (self.video or "-vn").split() + (self.audio or "-an").split()
        ffmpeg.run([*arguments, "-threads", "1", "-f", self.muxer, "-y", str(draft)])
        if self.again:
            copied = path.with_suffix(".copy")
            options = [*self.again.split(), "-i", str(draft), "-map", "0", "-c", "copy"]
            ffmpeg.run([*options, "-f", self.muxer, "-y", str(copied)])
            copied.replace(draft)
        draft.replace(path)
        return path


_X264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -bf 2 -g 12"
_X265 = "-c:v libx265 -preset ultrafast -pix_fmt yuv420p -x265-params log-level=none:keyint=12:bframes=3"
_MPEG2 = "-c:v mpeg2video -bf 2 -g 12"
_MPEG4 = "-c:v mpeg4 -g 12"

CORPUS: dict[str, Sample] = {
    "mp4 h264 aac": Sample("mp4", _X264, "-c:a aac", ("h264", "aac")),
    "mp4 hevc ac3": Sample("mp4", _X265, "-c:a ac3", ("hevc", "ac3")),
    "mp4 av1 opus": Sample("mp4", "-c:v libsvtav1 -preset 12 -svtav1-params log=-1", "-c:a libopus", ("av1", "opus")),
    "mp4 vp9 flac": Sample("mp4", "-c:v libvpx-vp9 -cpu-used 8 -g 25 -b:v 100k", "-c:a flac", ("vp9", "flac")),
    "mp4 mpeg4 mp3": Sample("mp4", _MPEG4 + " -bf 2", "-c:a libmp3lame", ("mpeg4", "mp3")),
    "fragmented mp4": Sample(
        "mp4", _X264 + " -movflags frag_keyframe+empty_moov", "-c:a aac", ("h264", "aac")
    ),
    "mov prores pcm": Sample("mov", "-c:v prores_ks -profile:v 0", "-c:a pcm_s24le", ("prores", "pcm_s24le")),
    "mov prores 4444": Sample("mov", "-c:v prores_ks -profile:v 4 -pix_fmt yuva444p10le", None, ("prores",)),
    "mov dnxhr alac": Sample("mov", "-c:v dnxhd -profile:v dnxhr_lb", "-c:a alac", ("dnxhd", "alac"), size="256x128"),
    "mov mjpeg pcm": Sample("mov", "-c:v mjpeg -pix_fmt yuvj422p", "-c:a pcm_s16be", ("mjpeg", "pcm_s16be")),
    "mov qtrle": Sample("mov", "-c:v qtrle", None, ("qtrle",)),
    "mov png": Sample("mov", "-c:v png", None, ("png",)),
    "mov cinepak adpcm": Sample("mov", "-c:v cinepak", "-c:a adpcm_ima_qt", ("cinepak", "adpcm_ima_qt"), seconds=1),
    "mov raw": Sample("mov", "-c:v rawvideo -pix_fmt uyvy422", None, ("rawvideo",)),
    "mkv h264 dts": Sample("matroska", _X264, "-c:a dca -strict -2 -ac 2", ("h264", "dts")),
    "mkv hevc eac3": Sample("matroska", _X265, "-c:a eac3", ("hevc", "eac3")),
    "mkv ffv1 flac": Sample("matroska", "-c:v ffv1", "-c:a flac", ("ffv1", "flac")),
    "mkv mpeg2 truehd": Sample("matroska", _MPEG2, "-c:a truehd -strict -2 -ac 2", ("mpeg2video", "truehd")),
    "mkv without b mjpeg": Sample("matroska", "-c:v mjpeg -pix_fmt yuvj420p", "-c:a pcm_f32le", ("mjpeg", "pcm_f32le")),
    "webm vp8 vorbis": Sample(
        "webm", "-c:v libvpx -cpu-used 8 -auto-alt-ref 1 -lag-in-frames 16 -b:v 100k -g 25", "-c:a libvorbis",
        ("vp8", "vorbis"),
    ),
    "webm vp9 opus": Sample(
        "webm", "-c:v libvpx-vp9 -cpu-used 8 -auto-alt-ref 1 -lag-in-frames 16 -b:v 100k -g 25", "-c:a libopus",
        ("vp9", "opus"),
    ),
    "webm av1 opus": Sample("webm", "-c:v libsvtav1 -preset 12 -svtav1-params log=-1", "-c:a libopus", ("av1", "opus")),
    "ts h264 aac": Sample("mpegts", _X264, "-c:a aac", ("h264", "aac")),
    "ts h264 latm": Sample("mpegts", _X264, "-c:a aac -mpegts_flags latm", ("h264", "aac_latm")),
    "ts hevc ac3": Sample("mpegts", _X265, "-c:a ac3", ("hevc", "ac3")),
    "ts mpeg2 mp2": Sample("mpegts", _MPEG2, "-c:a mp2", ("mpeg2video", "mp2")),
    "ts mpeg4": Sample("mpegts", _MPEG4, None, ("mpeg4",)),
    "m2ts h264 eac3": Sample("mpegts", _X264 + " -mpegts_m2ts_mode 1", "-c:a eac3", ("h264", "eac3")),
    "vob mpeg2 ac3": Sample("vob", _MPEG2, "-c:a ac3", ("mpeg2video", "ac3")),
    "ps mpeg1 mp2": Sample("mpeg", "-c:v mpeg1video -bf 2 -g 12", "-c:a mp2", ("mpeg1video", "mp2")),
    "avi mpeg4 mp3": Sample("avi", _MPEG4, "-c:a libmp3lame", ("mpeg4", "mp3")),
    "avi mpeg4 b": Sample("avi", _MPEG4 + " -bf 2", "-c:a libmp3lame", ("mpeg4", "mp3")),
    "avi h264 b": Sample("avi", _X264, "-c:a libmp3lame", ("h264", "mp3")),
    "avi msmpeg4v3 adpcm": Sample("avi", "-c:v msmpeg4 -g 12", "-c:a adpcm_ms", ("msmpeg4v3", "adpcm_ms")),
    "avi mjpeg pcm": Sample("avi", "-c:v mjpeg -pix_fmt yuvj420p", "-c:a pcm_u8", ("mjpeg", "pcm_u8")),
    "avi huffyuv": Sample("avi", "-c:v huffyuv -pix_fmt yuv422p", None, ("huffyuv",)),
    "avi utvideo": Sample("avi", "-c:v utvideo -pix_fmt gbrp", None, ("utvideo",)),
    "avi zmbv": Sample("avi", "-c:v zmbv", None, ("zmbv",)),
    "flv flv1 mp3": Sample("flv", "-c:v flv1 -g 12", "-c:a libmp3lame -ar 44100", ("flv1", "mp3")),
    "flv h264 aac": Sample("flv", _X264, "-c:a aac", ("h264", "aac")),
    "flv flashsv nellymoser": Sample(
        "flv", "-c:v flashsv", "-c:a nellymoser -ar 22050", ("flashsv", "nellymoser")
    ),
    "asf wmv1 wmav1": Sample("asf", "-c:v wmv1 -g 12", "-c:a wmav1 -ac 2", ("wmv1", "wmav1")),
    "asf wmv2 wmav2": Sample("asf", "-c:v wmv2 -g 12", "-c:a wmav2", ("wmv2", "wmav2")),
    "asf msmpeg4v2": Sample("asf", "-c:v msmpeg4v2 -g 12", "-c:a wmav2", ("msmpeg4v2", "wmav2")),
    "mxf mpeg2 pcm": Sample("mxf", _MPEG2, "-c:a pcm_s16le", ("mpeg2video", "pcm_s16le")),
    "mxf dnxhr pcm": Sample("mxf", "-c:v dnxhd -profile:v dnxhr_sq", "-c:a pcm_s24le", ("dnxhd", "pcm_s24le"),
                            size="256x128"),
    "mxf h264": Sample("mxf", _X264 + " -bf 0", "-c:a pcm_s16le", ("h264", "pcm_s16le")),
    "ogg theora vorbis": Sample("ogg", "-c:v libtheora -g 12", "-c:a libvorbis", ("theora", "vorbis")),
    "ogg theora flac": Sample("ogg", "-c:v libtheora -g 12", "-c:a flac", ("theora", "flac")),
    "3gp h263 amr": Sample("3gp", "-c:v h263 -g 12", "-c:a libopencore_amrnb -ar 8000 -b:a 12.2k", ("h263", "amr_nb"),
                           size="176x144"),
    "dv": Sample("dv", "-c:v dvvideo -pix_fmt yuv420p", "-c:a pcm_s16le -ac 2", ("dvvideo", "pcm_s16le"),
                 size="720x576", seconds=1),
    "ivf vp8": Sample("ivf", "-c:v libvpx -cpu-used 8 -auto-alt-ref 1 -lag-in-frames 16 -b:v 100k", None, ("vp8",)),
    "ivf av1": Sample("ivf", "-c:v libsvtav1 -preset 12 -svtav1-params log=-1", None, ("av1",)),
    "obu av1": Sample("obu", "-c:v libsvtav1 -preset 12 -svtav1-params log=-1", None, ("av1",)),
    "raw h264": Sample("h264", _X264, None, ("h264",)),
    "raw hevc": Sample("hevc", _X265, None, ("hevc",)),
    "raw mpeg2": Sample("mpeg2video", _MPEG2, None, ("mpeg2video",)),
    "raw mpeg4": Sample("m4v", _MPEG4 + " -bf 2", None, ("mpeg4",)),
    "every picture a keyframe": Sample("mp4", _X264 + " -g 1", None, ("h264",)),
    "one keyframe in thirty seconds": Sample("mp4", _X264 + " -g 750 -sc_threshold 0", None, ("h264",), seconds=30),
    "open gops": Sample(
        "mp4", "-c:v libx264 -preset ultrafast -bf 2 -x264-params open-gop=1:keyint=12:b-adapt=0:scenecut=0", None,
        ("h264",),
    ),
    "23.976": Sample("matroska", _X264, None, ("h264",), rate="24000/1001"),
    "29.97": Sample("flv", _X264, None, ("h264",), rate="30000/1001"),
    "59.94": Sample("mpegts", _X264, None, ("h264",), rate="60000/1001"),
    "59.94 mkv": Sample("matroska", _X264, None, ("h264",), rate="60000/1001"),
    "12.5": Sample("avi", _MPEG4, None, ("mpeg4",), rate="25/2", seconds=4),
    "7 in 3 seconds": Sample("mp4", _X264, None, ("h264",), rate="7/3", seconds=6),
}  # fmt: skip


SOUND: dict[str, Sample] = {
    "m4a aac": Sample("ipod", None, "-c:a aac", ("aac",)),
    "mka opus": Sample("matroska", None, "-c:a libopus", ("opus",)),
    "ogg vorbis": Sample("ogg", None, "-c:a libvorbis", ("vorbis",)),
    "ogg opus": Sample("ogg", None, "-c:a libopus", ("opus",)),
    "ogg flac": Sample("ogg", None, "-c:a flac", ("flac",)),
    "wma": Sample("asf", None, "-c:a wmav2", ("wmav2",)),
    "mp3": Sample("mp3", None, "-c:a libmp3lame", ("mp3",)),
    "adts": Sample("adts", None, "-c:a aac", ("aac",)),
    "flac": Sample("flac", None, "-c:a flac", ("flac",)),
    "wav": Sample("wav", None, "-c:a pcm_s24le", ("pcm_s24le",)),
    "aiff": Sample("aiff", None, "-c:a pcm_s16be", ("pcm_s16be",)),
    "caf": Sample("caf", None, "-c:a alac", ("alac",)),
    "ac3": Sample("ac3", None, "-c:a ac3", ("ac3",)),
    "eac3": Sample("eac3", None, "-c:a eac3", ("eac3",)),
    "amr": Sample("amr", None, "-c:a libopencore_amrnb -ar 8000 -b:a 12.2k", ("amr_nb",)),
    "ts mp2": Sample("mpegts", None, "-c:a mp2", ("mp2",)),
}


def sample(name: str) -> Path:
    """The file of a sample, made on first use."""
    return (CORPUS.get(name) or SOUND[name]).path
