"""`framemill transcode --drm clearkey` as a user runs it: interrupted, resumed, decrypted by another FFmpeg."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import psutil
import pytest
import yaml
from support import clips, ffmpeg
from support.keys import forms, samples_of

from transcoder.packaging.drm import Scheme

CLIP = clips.Clip(seconds=Fraction(12), keyframe_interval=70)
LADDER = {
    "name": "encrypted",
    "segment_seconds": 2,
    # Slow enough to be interrupted in the middle.
    "video": [
        {"id": "v180", "height": 180, "preset": "veryslow", "max_bitrate": 600_000, "buffer": 900_000},
        {"id": "v90", "height": 90, "preset": "veryslow", "max_bitrate": 200_000, "buffer": 300_000},
    ],
}
SCHEMES = get_args(Scheme)


@pytest.fixture
def ladder(tmp_path: Path) -> Path:
    path = tmp_path / "ladder.yaml"
    path.write_text(yaml.safe_dump(LADDER))
    return path


def _command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "control_plane.cli.main", *map(str, arguments)]


def _run(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(_command(*arguments), capture_output=True, timeout=240, check=False)


def _lines(journal: Path, kind: str) -> list[dict[str, Any]]:
    """The lines of one kind; the last line may be half written."""
    if not journal.exists():
        return []
    whole = [line for line in journal.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
    return [line[kind] for line in map(json.loads, whole) if kind in line]


def _temporary_files(process: subprocess.Popen[bytes]) -> list[bytes]:
    """What lies in the temporary folders of a running transcode and its children: Ray's logs, tasks' scratch folders.

    They are at work: some files are gone before they are read.
    """
    running = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    parents = {Path("/tmp"), Path(tempfile.gettempdir())}  # noqa: S108 - Ray's folder is always in /tmp
    found = []
    for folder in (f for own in running for parent in parents for f in parent.glob(f"framemill-*-{own.pid}-*")):
        for path in folder.rglob("*"):
            with contextlib.suppress(OSError):
                if path.is_file() and not path.is_symlink():
                    found.append(path.read_bytes())
    return found


def _interrupt_after_first_commit(command: list[str], journal: Path) -> tuple[bytes, list[bytes]]:
    """Run until something is committed, then interrupt as a user does.

    Gives the journal as it was left, and the temporary files of the run.
    """
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 120
        while not _lines(journal, "commit"):
            assert process.poll() is None and time.monotonic() < deadline, process.returncode
            time.sleep(0.02)
        seen = _temporary_files(process)
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate(timeout=60)
    assert process.returncode == 130, complaints.decode()
    return journal.read_bytes(), seen


def _clear_file(out: Path, rendition: str, key: str, target: Path) -> Path:
    """A rendition decrypted by the other FFmpeg, without decoding."""
    own = out / "cmaf" / rendition
    joined = target.with_suffix(".encrypted.mp4")
    segments = sorted(own.glob("*.m4s"), key=lambda path: int(path.stem))
    joined.write_bytes(b"".join(path.read_bytes() for path in (own / "init.mp4", *segments)))
    ffmpeg.run(["-decryption_key", key, "-i", str(joined), "-c", "copy", str(target)])
    with pytest.raises(ffmpeg.DecodeError):
        ffmpeg.decode_frames(joined, "a:0" if rendition == "a0" else "v:0")
    return target


def _cenc_ivs(folder: Path, key_ids: dict[str, str]) -> Iterator[tuple[str, bytes]]:
    """Key id and IV of every sample of every stored segment below a folder; several names of one file count once."""
    for path in {path.stat().st_ino: path for path in folder.rglob("*.m4s")}.values():
        for sample in samples_of(path.parent / "init.mp4", path):
            yield key_ids[path.parent.name], sample.iv


@pytest.mark.parametrize("scheme", SCHEMES)
def test_interrupted_resumed_and_decrypted(scheme: Scheme, ladder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    keys_file, journal, kek = (tmp_path / f"out.{suffix}" for suffix in ("keys.json", "journal", "kek"))
    arguments = ("transcode", clips.cached(CLIP), out, "--ladder", ladder, "--drm", "clearkey", "--drm-scheme", scheme)

    left, seen = _interrupt_after_first_commit(_command(*arguments), journal)
    document = json.loads(keys_file.read_text())
    keys = {own["id"]: own for own in document["renditions"]}
    opened = kek.read_text().strip()
    before = shutil.copytree(out, tmp_path / "interrupted", copy_function=os.link)
    done = _run(*arguments, "--resume", "--json")
    assert done.returncode == 0, done.stderr.decode()
    report = json.loads(done.stdout)

    assert stat.S_IMODE(keys_file.stat().st_mode) == 0o600
    assert json.loads(keys_file.read_text()) == document, "a resumed package has the keys it was begun with"
    assert not journal.exists() and not kek.exists()
    assert report["encryption"] == {"scheme": scheme}
    assert report["retriedTasks"] >= 1
    assert {own["id"]: own["keyId"] for own in report["renditions"]} == {name: k["keyId"] for name, k in keys.items()}

    for rendition in ("v180", "v90"):
        clear = _clear_file(out, rendition, keys[rendition]["key"], tmp_path / f"{rendition}.mp4")
        assert ffmpeg.frame_numbers(clear) == list(CLIP.frames)
    sound = _clear_file(out, "a0", keys["a0"]["key"], tmp_path / "a0.mp4")
    assert [round(time) for time in ffmpeg.click_times(sound)] == list(range(1, 12))

    if scheme == "cenc":
        key_ids = {name: own["keyId"] for name, own in keys.items()}
        # The interrupted run's files are links: what both runs have is one file, and counts once.
        used = Counter(_cenc_ivs(tmp_path, key_ids))
        assert max(used.values()) == 1
        assert sum(used.values()) >= 2 * len(CLIP.frames)

    texts = {
        "package": [path.read_bytes() for path in (*out.rglob("*"), *before.rglob("*")) if path.is_file()],
        "journal": [left],
        "output": [done.stdout, done.stderr],
        "temporary files": seen,
    }
    assert all(texts.values())
    assert any(b"raylet" in text for text in seen), "Ray's logs are among them"
    secrets = [*(bytes.fromhex(own["key"]) for own in keys.values()), bytes.fromhex(opened)]
    for place, contents in texts.items():
        assert not any(form in text for secret in secrets for form in forms(secret) for text in contents), place

    verified = _run("verify", out, "--keys", keys_file, "--source", clips.cached(CLIP), "--json")
    assert verified.returncode == 0, verified.stdout.decode()
    decoded = {own["id"]: own["decoded"] for own in json.loads(verified.stdout)["renditions"]}
    keyframes = len(list((out / "cmaf" / "v180").glob("*.m4s")))
    assert decoded == {"v180": 300, "v90": 300, "trick": keyframes, "a0": 563}
    unopened = json.loads(_run("verify", out, "--json").stdout)
    assert unopened["ok"] and len(unopened["notes"]) == len(decoded)
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"keys": [{**own, "k": "A" * 22} for own in document["keys"]]}))
    assert _run("verify", out, "--keys", other).returncode == 4


def test_keys_of_an_earlier_package_are_never_used_again(ladder: Path, tmp_path: Path) -> None:
    keys = tmp_path / "out.keys.json"
    keys.write_text("precious")
    done = _run("transcode", clips.cached(CLIP), tmp_path / "out", "--ladder", ladder, "--drm", "clearkey")
    assert done.returncode == 2
    assert b"out.keys.json" in done.stderr
    assert keys.read_text() == "precious"
    assert not (tmp_path / "out").exists()


def test_an_unusable_source_leaves_no_keys_and_takes_none(tmp_path: Path) -> None:
    source = tmp_path / "source.mp4"
    source.write_bytes(b"not a video")
    assert _run("transcode", source, tmp_path / "out", "--drm", "clearkey").returncode == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source.mp4"]
    keys = tmp_path / "out.keys.json"
    keys.write_text("precious")
    assert _run("transcode", source, tmp_path / "out").returncode == 3
    assert keys.read_text() == "precious"


@pytest.mark.parametrize("text", ["", "{}", '{"keys": [1]}', '{"keys": [{"kid": "AA", "k": "AA"}]}', "[]"])
def test_a_file_without_keys(tmp_path: Path, text: str) -> None:
    (tmp_path / "out").mkdir()
    path = tmp_path / "keys.json"
    path.write_text(text)
    done = _run("verify", tmp_path / "out", "--keys", path)
    assert done.returncode == 2
    assert b"keys" in done.stderr and b"Traceback" not in done.stderr
