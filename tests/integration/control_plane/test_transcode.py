"""`framemill transcode` and its sisters from the shell: exit codes, an interruption, `--resume`."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import pytest
from support import clips, ffmpeg

from control_plane.cli.main import main

CLIP = clips.Clip(seconds=Fraction(12), keyframe_interval=40)
# Long and slow enough to be interrupted in the middle: after the first chunk there are many seconds of work left.
LONG = clips.Clip(seconds=Fraction(24), width=640, height=360, keyframe_interval=60)
LADDER = {
    "name": "slow",
    "segment_seconds": 2,
    "video": [{"id": "v360", "height": 360, "preset": "veryslow", "max_bitrate": 900_000, "buffer": 900_000}],
}


def start(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "control_plane.cli.main", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def run(*arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command."""
    with start(*arguments) as process:
        out, errors = process.communicate(timeout=120)
    return process.returncode, out, errors


def bad_inputs() -> dict[str, bytes]:
    whole = clips.cached(CLIP).read_bytes()
    return {
        "empty": b"",
        "text": b"just some text\n" * 100,
        "no moov": whole[: whole.index(b"moov") - 4],
        "ffconcat": f"ffconcat version 1.0\nfile '{clips.cached(CLIP)}'\n".encode(),
        "playlist": f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{clips.cached(CLIP)}\n#EXT-X-ENDLIST\n".encode(),
    }


@pytest.mark.parametrize("name", ["empty", "text", "no moov", "ffconcat", "playlist"])
@pytest.mark.parametrize("command", ["probe", "plan"])
def test_an_unusable_source_is_3_with_the_reason(
    name: str, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "bad.mp4"
    source.write_bytes(bad_inputs()[name])
    assert main([command, str(source)]) == 3
    captured = capsys.readouterr()
    assert not captured.out
    assert captured.err.startswith("framemill: ")
    assert captured.err.count("\n") == 1


def test_transcode_of_an_unusable_source_is_3(tmp_path: Path) -> None:
    source, out = tmp_path / "bad.mp4", tmp_path / "out"
    source.write_bytes(bad_inputs()["ffconcat"])
    code, printed, errors = run("transcode", source, out)
    assert (code, printed) == (3, "")
    assert "Traceback" not in errors
    assert [path for path in out.rglob("*") if path.is_file()] == []


def test_a_lane_that_is_not_here_is_5(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["transcode", str(clips.cached(CLIP)), str(tmp_path / "out"), "--lane", "nvenc"]) == 5
    assert "nvenc" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_terminal_sees_a_progress_bar(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [
        sys.executable,
        "-m",
        "control_plane.cli.main",
        "transcode",
        str(clips.cached(CLIP)),
        str(tmp_path / "out"),
    ]
    terminal = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=terminal) as process:
        os.close(theirs)
        seen = b""
        # A terminal whose last writer is gone answers with an error, not with an end.
        with contextlib.suppress(OSError):
            while piece := os.read(ours, 65536):
                seen += piece
    os.close(ours)
    assert process.returncode == 0, seen.decode(errors="replace")
    assert b"encoding" in seen
    assert b"of 12.0 s of video" in seen
    assert b"playable: " in seen
    assert b"master.m3u8" in seen


def test_an_interrupted_transcode_goes_on_where_it_was(tmp_path: Path) -> None:
    out, ladder = tmp_path / "out", tmp_path / "slow.json"
    journal = tmp_path / "out.journal"
    ladder.write_text(json.dumps(LADDER))
    command = ("transcode", clips.cached(LONG), out, "--ladder", ladder, "--json")
    with start(*command) as process:
        wait_for_commit(process, journal)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert not (out / "report.json").exists()

    assert run(*command)[0] == 2  # not over what was begun, unless it is asked for
    code, _, errors = run(*command, "--resume", "--drm", "clearkey", "--segment-seconds", "1")
    assert code == 2  # not in the clear either, when encryption is asked for
    assert "was begun with another ladder, drm" in errors
    code, _, errors = run("transcode", clips.cached(CLIP), *command[2:], "--resume")
    assert code == 2
    assert "was begun with another source" in errors
    begun = journal.read_text().count('{"commit"')
    code, printed, errors = run(*command, "--resume")
    assert code == 0, errors
    report = json.loads(printed)
    assert begun < report["chunks"] * 2 + 1, "the interruption came too late to say anything"
    assert json.loads((out / "report.json").read_text()) == report
    assert not journal.exists()
    assert ffmpeg.frame_numbers(out / "hls" / "v360.m3u8") == list(LONG.frames)

    assert main(["verify", str(out), "--source", str(clips.cached(LONG))]) == 0
    (out / "cmaf" / "v360" / "3.m4s").unlink()
    assert main(["verify", str(out)]) == 4


def wait_for_commit(process: subprocess.Popen[str], journal: Path) -> None:
    deadline = time.monotonic() + 60
    while not (journal.exists() and '{"commit"' in journal.read_text()):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)  # a file tells nobody that it has grown
