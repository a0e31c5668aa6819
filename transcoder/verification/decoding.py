"""Decodes a published rendition in full: the proof that a player will see every picture and hear every sample."""

from __future__ import annotations

from collections.abc import Iterator

import av
import av.error

from transcoder.errors import VerificationError
from transcoder.results import Kind

__all__ = ["decode_rendition"]

_BUFFER = 1 << 16
_STRICT = {"err_detect": "explode"}


class _Joined:
    """Pieces of bytes as one stream that is read once; at most one piece is in memory."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def read(self, size: int) -> bytes:
        """The next bytes, at most `size`; empty at the end."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._rest = memoryview(piece)
        taken, self._rest = self._rest[:size], self._rest[size:]
        return bytes(taken)


def decode_rendition(pieces: Iterator[bytes], kind: Kind, key: bytes | None = None) -> Iterator[int]:
    """Decode an init segment and its media segments, and yield each frame's presentation tick, in order.

    `pieces` are the bytes of the init segment and of each segment. Any complaint of the decoder ends it: a player
    would show a damaged picture there. An encrypted rendition is decrypted with `key`, 16 bytes.

    Errors: VerificationError with the tick that was reached.
    """
    reached: int | None = None
    options = {} if key is None else {"decryption_key": key.hex()}
    try:
        with av.open(_Joined(pieces), "r", format="mp4", options=options, buffer_size=_BUFFER) as container:
            frames: Iterator[av.VideoFrame | av.AudioFrame]
            if kind != "audio":
                pictures = container.streams.video[0]
                pictures.thread_type = "AUTO"
                pictures.codec_context.options = _STRICT
                frames = container.decode(pictures)
            else:
                sound = container.streams.audio[0]
                sound.codec_context.options = _STRICT
                frames = container.decode(sound)
            for frame in frames:
                if frame.pts is None or frame.is_corrupt:
                    raise VerificationError(f"a damaged picture after tick {reached}", {"after": reached})
                reached = frame.pts
                yield reached
    except (av.error.FFmpegError, IndexError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise VerificationError(f"the decoder fails after tick {reached}: {reason}", {"after": reached}) from error
