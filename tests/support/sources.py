"""Sources of every container and codec, made by an FFmpeg that is not the one under test, once."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from support import ffmpeg
from support.clips import cache_dir

__all__ = ["SOURCES", "cached"]

_X264 = "-c:v libx264 -preset veryfast"
_X265 = "-c:v libx265 -preset ultrafast"
_OPEN_HEVC = f"{_X265} -x265-params log-level=error:open-gop=1:bframes=4:keyint=40:min-keyint=40"
_FOUR = "-pix_fmt yuv422p10le"
_UNEVEN = "-vf select='not(between(t,1.5,4.1))*lt(mod(n*5,13),8)' -fps_mode vfr"
_VPX = "-g 40 -auto-alt-ref 1 -lag-in-frames 16 -b:v 500k -cpu-used 8"

SOURCES: dict[str, tuple[str, str]] = {
    "h264-mp4": ("mp4", f"{_X264} -g 60 -bf 3"),
    "h264-mkv": ("mkv", f"{_X264} -g 60 -bf 3"),
    "h264-ts": ("ts", f"{_X264} -g 60 -bf 3"),
    "h264-flv": ("flv", f"{_X264} -g 60 -bf 3"),
    "h264-avi": ("avi", f"{_X264} -g 60 -bf 3"),
    "h264-vob": ("vob", f"{_X264} -g 40 -f vob"),
    "h264-open-gop-mp4": ("mp4", f"{_X264} -g 40 -bf 3 -x264-params open-gop=1:scenecut=0"),
    "h264-open-gop-ts": ("ts", f"{_X264} -g 40 -bf 3 -x264-params open-gop=1:scenecut=0"),
    "h264-intra-refresh-mp4": ("mp4", f"{_X264} -g 40 -x264-params intra-refresh=1"),
    "h264-intra-refresh-ts": ("ts", f"{_X264} -g 40 -x264-params intra-refresh=1"),
    "h264-only-keyframes-mp4": ("mp4", f"{_X264} -g 1"),
    "h264-one-keyframe-mp4": ("mp4", f"{_X264} -g 1000 -bf 8"),
    "h264-one-keyframe-ts": ("ts", f"{_X264} -g 1000 -bf 8"),
    "h264-fields-ts": ("ts", f"{_X264} -g 40 -flags +ilme+ildct -x264-params interlaced=1"),
    "h264-uneven-mkv": ("mkv", f"{_X264} -g 60 -bf 2 {_UNEVEN}"),
    "h264-uneven-mp4": ("mp4", f"{_X264} -g 60 -bf 2 {_UNEVEN}"),
    "h264-slow-mp4": ("mp4", f"{_X264} -vf fps=1/2"),
    "hevc-mp4": ("mp4", f"{_X265} -x265-params log-level=error:bframes=4:keyint=40"),
    "hevc-open-gop-mp4": ("mp4", _OPEN_HEVC),
    "hevc-open-gop-ts": ("ts", _OPEN_HEVC),
    "hevc-open-gop-mkv": ("mkv", _OPEN_HEVC),
    "hevc-layers-mp4": ("mp4", f"{_X265} -x265-params log-level=error:temporal-layers=2:bframes=4:keyint=40"),
    "mpeg1-mpg": ("mpg", "-c:v mpeg1video -g 15 -bf 2 -b:v 1M"),
    "mpeg2-mpg": ("mpg", "-c:v mpeg2video -g 15 -bf 2 -b:v 1M -f vob"),
    "mpeg2-ts": ("ts", "-c:v mpeg2video -g 15 -bf 2 -b:v 1M"),
    "mpeg2-mxf": ("mxf", "-c:v mpeg2video -g 15 -bf 2 -b:v 1M"),
    "mpeg2-mkv": ("mkv", "-c:v mpeg2video -g 15 -bf 2 -b:v 1M"),
    "mpeg4-avi": ("avi", "-c:v mpeg4 -g 40 -bf 2 -b:v 600k"),
    "mpeg4-mp4": ("mp4", "-c:v mpeg4 -g 40 -bf 2 -b:v 600k"),
    "xvid-packed-avi": ("avi", "-c:v libxvid -g 40 -bf 2 -b:v 600k"),
    "wmv2-asf": ("asf", "-c:v wmv2 -g 40 -b:v 600k"),
    "vp8-webm": ("webm", f"-c:v libvpx {_VPX}"),
    "vp9-webm": ("webm", f"-c:v libvpx-vp9 {_VPX}"),
    "vp9-mp4": ("mp4", f"-c:v libvpx-vp9 {_VPX}"),
    "av1-mp4": ("mp4", "-c:v libsvtav1 -preset 12 -g 40"),
    "av1-mkv": ("mkv", "-c:v libsvtav1 -preset 12 -g 40"),
    "prores-mov": ("mov", f"-c:v prores_ks {_FOUR}"),
    "dnxhr-mxf": ("mxf", "-s 256x120 -c:v dnxhd -profile:v dnxhr_lb -pix_fmt yuv422p"),
    "mjpeg-avi": ("avi", "-c:v mjpeg -pix_fmt yuvj420p"),
    "mjpeg-mov": ("mov", "-c:v mjpeg -pix_fmt yuvj420p"),
    "theora-ogv": ("ogv", "-c:v libtheora -g 40 -b:v 500k"),
    "h264-fragments-mp4": ("mp4", f"{_X264} -g 40 -bf 2 -movflags frag_keyframe+empty_moov"),
    "h264-microseconds-mov": ("mov", f"{_X264} -g 40 -bf 2 -video_track_timescale 1000000"),
    "h264-raw": ("h264", f"{_X264} -g 40 -bf 3"),
    "mpeg2-raw": ("m2v", "-c:v mpeg2video -g 12 -bf 2"),
    "vp8-ivf": ("ivf", f"-c:v libvpx {_VPX}"),
    "ntsc-avi": ("avi", f"-r 30000/1001 {_X264} -g 60 -bf 2"),
}
"""By name: the ending of the file, and FFmpeg's arguments for a moving picture of 5 s, 160x96 at 25 a second."""


def cached(name: str) -> Path:
    """The source's file, made on first use."""
    ending, arguments = SOURCES[name]
    key = hashlib.sha256(f"{ffmpeg.REFERENCE} {arguments}".encode()).hexdigest()[:16]
    path = cache_dir() / f"source-{name}-{key}.{ending}"
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    formats = [] if "-pix_fmt" in arguments else ["-pix_fmt", "yuv420p"]
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        draft = Path(folder) / path.name
        ffmpeg.make(["-f", "lavfi", "-i", "testsrc2=s=160x96:r=25:d=5", *formats, *arguments.split(), str(draft)])
        draft.replace(path)
    return path
