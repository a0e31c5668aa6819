"""The thumbnails: a poster that decodes, and a seek bar's pictures where their index says."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from fractions import Fraction
from io import BytesIO

import av
import av.error

from transcoder.errors import NotFoundError, VerificationError
from transcoder.packaging.package import image_path
from transcoder.text.cues import Cue
from transcoder.text.webvtt import read_webvtt
from transcoder.thumbnails.sheets import INDEX, POSTER
from transcoder.verification.report import Findings, in_seconds
from transcoder.verification.title import PublishedTitle

__all__ = ["check_images"]

_AREA = re.compile(r"([A-Za-z0-9_-]+\.jpg)#xywh=(\d{1,5}),(\d{1,5}),(\d{1,5}),(\d{1,5})", re.ASCII)
_LARGEST_SIDE = 10_000


def check_images(title: PublishedTitle, findings: Findings) -> None:
    """Poster and sprite sheets, where the package has any or should have them."""
    files = _Files(title)
    if files.has(POSTER):
        findings.none_of("poster", None, "a JPEG", files.damage(POSTER))
    if files.has(INDEX):
        findings.none_of("sprites", None, "pictures where the index says, to the end", _sprites(title, files))
        findings.none_of("sprite-manifests", None, "both manifests name the sheets", _listed(title))
    planned = title.plan.thumbnails if title.plan else None
    if planned is not None:
        wanted = {POSTER} | ({INDEX} if planned.sprites else set())
        findings.same("thumbnails", None, sorted(wanted), sorted(name for name in wanted if files.has(name)))
    for image in title.package.images if title.package else ():
        findings.same("committed-image", None, f"{image.name} {image.sha256}", f"{image.name} {files.hash(image.name)}")


class _Files:
    """The thumbnails of a package; each is read once."""

    def __init__(self, title: PublishedTitle) -> None:
        self._open = title.open_object
        self._size: dict[str, tuple[int, int]] = {}

    def read(self, name: str) -> bytes:
        return self._open(image_path(name))

    def has(self, name: str) -> bool:
        try:
            self.read(name)
        except NotFoundError:
            return False
        return True

    def hash(self, name: str) -> str:
        return hashlib.sha256(self.read(name)).hexdigest() if self.has(name) else "missing"

    def damage(self, name: str) -> Iterator[str]:
        try:
            self.size(name)
        except (VerificationError, NotFoundError) as error:
            yield f"{name}: {error.message}"

    def size(self, name: str) -> tuple[int, int]:
        """Width and height of a JPEG that decodes. Errors: VerificationError, NotFoundError."""
        if name not in self._size:
            self._size[name] = _decoded_size(self.read(name))
        return self._size[name]


def _decoded_size(data: bytes) -> tuple[int, int]:
    try:
        with av.open(BytesIO(data), "r", format="jpeg_pipe") as image:
            stream = image.streams.video[0]
            stream.codec_context.options = {"err_detect": "explode", "max_pixels": str(_LARGEST_SIDE**2)}
            frame = next(image.decode(stream))
    except (av.error.FFmpegError, StopIteration, IndexError) as error:
        raise VerificationError("it is not a JPEG that decodes") from error
    return frame.width, frame.height


def _sprites(title: PublishedTitle, files: _Files) -> Iterator[str]:
    try:
        cues = read_webvtt(files.read(INDEX))
    except VerificationError as error:
        yield error.message
        return
    for cue in cues:
        problem = _misplaced(cue, files)
        if problem:
            yield f"{cue.payload}: {problem}"
    end = 0
    for cue in cues:
        if cue.start != end:
            yield f"{cue.payload} begins at {cue.start} ms, the picture before it ends at {end} ms"
        end = cue.end
    for track in title.video[:1]:
        # They were planned before the last picture was decoded, which may be shown for a little longer.
        if Fraction(end + 1, 1000) < track.end - max(track.steps) / Fraction(track.timescale):
            yield f"they end at {end} ms, the picture at {in_seconds(track.end)}"


def _misplaced(cue: Cue, files: _Files) -> str | None:
    area = _AREA.fullmatch(cue.payload)
    if area is None:
        return "not a part of a sheet"
    left, top, width, height = (int(number) for number in area.groups()[1:])
    try:
        size = files.size(area.group(1))
    except (VerificationError, NotFoundError) as error:
        return error.message
    if not width or not height or left + width > size[0] or top + height > size[1]:
        return f"outside of its sheet of {size[0]}x{size[1]}"
    return None


def _listed(title: PublishedTitle) -> Iterator[str]:
    """A growing title names none; a final one the same in both."""
    ours, theirs = title.hls.images, title.dash.images if title.dash else None
    if title.dash is not None and ours != theirs:
        yield f"{ours} in HLS, {theirs} in DASH"
    if title.hls.final and ours is None:
        yield "they name none"
    for path in ours.paths if ours else ():
        try:
            title.open_object(path)
        except NotFoundError:
            yield f"{path} is missing"
