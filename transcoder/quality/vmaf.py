"""VMAF by libvmaf, in an FFmpeg of its own: PyAV's, up to version 18, has none.

The pictures go through two pipes, an original and its decoded picture after each other, so neither pipe ever waits
for the other. Model vmaf_v0.6.1, at the size of the rendition (https://github.com/Netflix/vmaf).
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import tempfile
from pathlib import Path

import av
import av.video

from transcoder.errors import InternalError, ResourceMissingError
from transcoder.ladder import Rendition

__all__ = ["VmafProcess", "require_vmaf"]

_END_SECONDS = 120
"""For the last pictures, which wait in its pipes and threads."""


def require_vmaf() -> str:
    """The path of an FFmpeg with libvmaf.

    Errors: ResourceMissingError where the package `imageio-ffmpeg` is not there.
    """
    if importlib.util.find_spec("imageio_ffmpeg") is None:
        raise ResourceMissingError("VMAF is asked for, and needs the package imageio-ffmpeg: install framemill[vmaf]")
    import imageio_ffmpeg

    return str(imageio_ffmpeg.get_ffmpeg_exe())


class VmafProcess:
    """Measures pairs of pictures of one rendition, in the order of presentation."""

    def __init__(self, rendition: Rendition) -> None:
        executable = require_vmaf()
        form = "yuv420p" if rendition.bits == 8 else "yuv420p10le"
        raw = ["-f", "rawvideo", "-pixel_format", form, "-video_size", f"{rendition.width}x{rendition.height}"]
        self._folder = tempfile.TemporaryDirectory(prefix="framemill-vmaf-")
        reading, writing = os.pipe()
        try:
            self._process = subprocess.Popen(
                [
                    executable, "-nostdin", "-v", "error", *raw, "-i", "pipe:0", *raw, "-i", f"pipe:{reading}",
                    "-lavfi", "[1:v][0:v]libvmaf=log_fmt=json:log_path=vmaf.json:n_threads=1", "-f", "null", "-",
                ],
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, pass_fds=(reading,),
                cwd=self._folder.name,
            )  # fmt: skip
        except OSError as error:
            os.close(writing)
            self._folder.cleanup()
            raise ResourceMissingError(f"FFmpeg for VMAF cannot be started: {error.strerror}") from error
        finally:
            os.close(reading)
        assert self._process.stdin is not None
        self._original = self._process.stdin
        self._decoded = open(writing, "wb")  # noqa: SIM115, PTH123 - a pipe, closed at the end

    def add(self, original: av.VideoFrame, decoded: av.VideoFrame) -> None:
        """The next pair."""
        try:
            for pipe, picture in ((self._original, original), (self._decoded, decoded)):
                pipe.write(picture.to_ndarray().tobytes())
                pipe.flush()
        except BrokenPipeError as error:
            raise self._failed() from error

    def finish(self) -> list[float]:
        """The score of each pair, from 0 to 100."""
        try:
            self._decoded.close()
            _, complaint = self._process.communicate(timeout=_END_SECONDS)
            if self._process.returncode:
                raise InternalError("VMAF was not measured", {"ffmpeg": complaint.decode(errors="replace")[-500:]})
            document = json.loads(Path(self._folder.name, "vmaf.json").read_text())
            return [float(frame["metrics"]["vmaf"]) for frame in document["frames"]]
        except (subprocess.TimeoutExpired, BrokenPipeError, OSError, ValueError, KeyError) as error:
            raise self._failed() from error
        finally:
            self.abort()

    def abort(self) -> None:
        """End the process and remove what it wrote."""
        self._decoded.close()
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()
        self._folder.cleanup()

    def _failed(self) -> InternalError:
        self.abort()
        return InternalError("VMAF was not measured: FFmpeg ended early")
