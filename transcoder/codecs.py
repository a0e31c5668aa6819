"""The codecs that a source may have, by FFmpeg's names of the codecs (not of the decoders). Everything else is refused.

Chosen: what cameras, broadcasters, editors, screen recorders and older collections made. Left out: games' formats,
research codecs, and whatever has only ever been met in tests.
"""

from __future__ import annotations

from functools import cache

import av.codec
import av.error
import av.stream

__all__ = ["SOUND", "VIDEO", "codec_name", "decoders", "is_supported"]

VIDEO = frozenset({
    "h264", "hevc", "av1", "vp8", "vp9",
    "mpeg1video", "mpeg2video", "mpeg4", "msmpeg4v1", "msmpeg4v2", "msmpeg4v3", "h261", "h263", "h263i", "h263p",
    "flv1", "vp6", "vp6f", "vp6a", "wmv1", "wmv2", "wmv3", "vc1", "theora", "svq1", "svq3", "cinepak", "rpza",
    "prores", "prores_raw", "dnxhd", "cfhd", "aic", "mjpeg", "mjpegb", "jpeg2000", "dvvideo",  # cameras and editing
    "ffv1", "huffyuv", "ffvhuff", "utvideo", "lagarith", "magicyuv", "rawvideo", "v210", "v308", "v408", "v410", "r210",
    "yuv4", "qtrle", "png", "smc", "msrle", "msvideo1", "flashsv", "flashsv2", "tscc", "tscc2", "cscd", "zmbv", "fraps",
    "mss1", "mss2", "mts2", "g2m",  # screens
})  # fmt: skip

SOUND = frozenset({
    "aac", "aac_latm", "mp1", "mp2", "mp3", "ac3", "eac3", "dts", "truehd", "mlp", "opus", "vorbis", "flac", "alac",
    "wavpack", "tta", "wmav1", "wmav2", "wmapro", "wmalossless", "wmavoice", "amr_nb", "amr_wb", "speex", "gsm",
    "gsm_ms", "qcelp", "qdm2", "qdmc", "nellymoser", "mace3", "mace6", "adpcm_ima_wav", "adpcm_ima_qt", "adpcm_ms",
    "adpcm_swf", "adpcm_yamaha", "adpcm_g722", "adpcm_g726", "s302m", "dvaudio",
    "pcm_alaw", "pcm_mulaw", "pcm_u8", "pcm_s8", "pcm_s8_planar", "pcm_bluray", "pcm_dvd", "pcm_s24daud",
    *(f"pcm_{kind}{bits}{order}" for kind in "su" for bits in (16, 24, 32) for order in ("le", "be")),
    *(f"pcm_s{bits}le_planar" for bits in (16, 24, 32)), "pcm_s16be_planar", "pcm_s64le", "pcm_s64be",
    *(f"pcm_f{bits}{order}" for bits in (32, 64) for order in ("le", "be")), "pcm_f16le", "pcm_f24le",
})  # fmt: skip


def codec_name(stream: av.stream.Stream) -> str | None:
    """The name of a stream's codec; None where libav knows no decoder for it."""
    context = stream.codec_context
    return context.codec.canonical_name if context is not None else None


def is_supported(stream: av.stream.Stream) -> bool:
    """Whether a stream of pictures or sound has a codec that may be decoded."""
    return codec_name(stream) in (VIDEO if stream.type == "video" else SOUND)


_HARDWARE = ("_cuvid", "_qsv", "_v4l2m2m", "_amf", "_mediacodec", "_rkmpp")


@cache
def decoders() -> tuple[str, ...]:
    """libav's names of the decoders of these codecs, those that run in software: all that may look at a source."""
    found = []
    for name in sorted(av.codec.codecs_available):
        try:
            codec = av.codec.Codec(name, "r")
        except (av.error.FFmpegError, ValueError):
            continue  # an encoder
        if codec.canonical_name in VIDEO | SOUND and not name.endswith(_HARDWARE):
            found.append(codec.name)
    return tuple(dict.fromkeys(found))
