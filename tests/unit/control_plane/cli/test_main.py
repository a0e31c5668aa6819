"""The command line from outside: help, exit codes, no traceback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from control_plane.cli.exits import exit_code
from control_plane.cli.main import main


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "control_plane.cli.main", *arguments],
        capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "COLUMNS": "120", **environment},
    )  # fmt: skip


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def test_help_lists_every_command_and_imports_none() -> None:
    script = (
        "import sys\nfrom control_plane.cli.main import main\ncode = main(['--help'])\n"
        "heavy = {'ray', 'av', 'grpc', 'fastapi', 'sqlalchemy', 'rich'} & set(sys.modules)\n"
        "assert code == 0 and not heavy, (code, heavy)\n"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert found.returncode == 0, found.stderr
    for name in ("transcode", "probe", "plan", "verify", "serve", "api", "grpc", "worker", "node", "submit", "jobs"):
        assert f"\n  {name} " in found.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("--nonsense",),
        ("jobs", "nonsense"),
        ("jobs", "show"),
        ("submit", "/does/not/exist.mp4"),
        ("jobs", "show", "not-an-id", "--http", "h", "--grpc", "g", "--api-key", "k"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_2(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert not captured.out
    assert captured.err
    assert "Traceback" not in captured.err


@pytest.mark.parametrize("command", ["serve", "api", "grpc", "worker", "node", "submit", "jobs"])
def test_each_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert "Usage: framemill" in capsys.readouterr().out


def test_no_server_in_the_data_directory_is_5(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["jobs", "list", "--data", str(tmp_path)]) == 5
    assert "no server is running" in capsys.readouterr().err


def test_a_server_that_does_not_answer_is_5(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"\x00\x00\x00\x20ftypisom")
    address = f"127.0.0.1:{free_port()}"
    where = ["--http", address, "--grpc", address, "--api-key", "fm_x"]
    assert main(["submit", str(clip), *where]) == 5
    assert main(["jobs", "list", *where]) == 5
    captured = capsys.readouterr()
    assert captured.err.count("cannot be reached") == 2
    assert not captured.out


def test_a_role_without_its_services_is_5(tmp_path: Path) -> None:
    found = run("worker", "--data", str(tmp_path), FRAMEMILL_DATABASE_DSN="", FRAMEMILL_REDIS_URL="")
    assert found.returncode == 5
    assert "FRAMEMILL_DATABASE_DSN" in found.stderr
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("VALIDATION_ERROR", 2),
        ("UNSUPPORTED_MEDIA", 3),
        ("VERIFICATION_FAILED", 4),
        ("RESOURCE_MISSING", 5),
        ("UNAVAILABLE", 5),
        ("INTERNAL", 1),
        ("CONFLICT", 1),
        ("anything", 1),
    ],
)
def test_exit_codes(code: str, expected: int) -> None:
    assert exit_code(code) == expected
