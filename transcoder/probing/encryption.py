"""Encrypted sources are refused for what they are, and not as damaged ones."""

from __future__ import annotations

from typing import BinaryIO

import av.container
import av.stream

from transcoder.errors import UnsupportedMediaError
from transcoder.probing.survey import Survey

__all__ = ["check_container", "check_streams"]

_PROTECTED_TAGS = {"encv", "enca", "drmi", "drms", "drmt", "p608"}
"""Sample entries whose real format is hidden (ISO/IEC 14496-12, 8.12; FairPlay's)."""

_TRANSPORT_PACKET = 188
_LOOKED_AT = 1 << 20


def check_container(container: av.container.InputContainer) -> None:
    """Errors: UnsupportedMediaError where the container says that its content is encrypted."""
    if "encryption" in container.metadata:
        raise UnsupportedMediaError("the source is encrypted (Windows Media DRM)")
    for stream in container.streams:
        if stream.type in {"video", "audio"} and ("enc_key_id" in stream.metadata or _tag(stream) in _PROTECTED_TAGS):
            raise UnsupportedMediaError(f"the source is encrypted: {stream.type} stream {stream.index}")


def check_streams(container: av.container.InputContainer, found: Survey, file: BinaryIO) -> None:
    """Errors: UnsupportedMediaError where packets of a stream are encrypted."""
    for index, own in found.streams.items():
        if own.encrypted:
            kind = container.streams[index].type
            raise UnsupportedMediaError(f"the source is encrypted: {kind} stream {index}, {own.encrypted} packets")
    if container.format.name == "mpegts" and _is_scrambled(file):
        raise UnsupportedMediaError("the transport stream is scrambled")


def _is_scrambled(file: BinaryIO) -> bool:
    """Whether most of the first packets that carry data have transport_scrambling_control set (ISO/IEC 13818-1,
    2.4.3.3)."""
    file.seek(0)
    data = file.read(_LOOKED_AT)
    start = next((at for at in range(_TRANSPORT_PACKET + 16) if _in_step(data, at)), None)
    if start is None:
        return False
    heads = [data[at : at + 4] for at in range(start, len(data) - 4, _TRANSPORT_PACKET) if data[at] == 0x47]
    carrying = [head for head in heads if head[3] & 0x10 and int.from_bytes(head[1:3]) & 0x1FFF not in {0, 0x1FFF}]
    scrambled = sum(bool(head[3] & 0xC0) for head in carrying)
    return scrambled > len(carrying) / 2


def _in_step(data: bytes, at: int) -> bool:
    return all(data[at + n * _TRANSPORT_PACKET : at + n * _TRANSPORT_PACKET + 1] == b"\x47" for n in range(5))


def _tag(stream: av.stream.Stream) -> str:
    try:
        return str(stream.codec_context.codec_tag) if stream.codec_context is not None else ""
    except UnicodeDecodeError:
        return ""
