"""The measurement of a process tree: what it must not miss."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

BURN = "import time\nwhile time.process_time() < 0.6: pass"
DAEMON = f"""
import subprocess, sys
# A child in a session of its own, which outlives its parent: the way a Ray daemon runs.
subprocess.Popen([sys.executable, "-c", {BURN!r}], start_new_session=True)
"""
MEASURE = """
import json, sys
from dataclasses import asdict
from pathlib import Path
from benchmarks.runner import CommandError, measure
try:
    print(json.dumps(asdict(measure([sys.executable, "-c", sys.argv[1]], log=Path(sys.argv[2])))))
except CommandError as error:
    print(json.dumps({"error": str(error)}))
"""


def measured(program: str, folder: Path) -> dict[str, Any]:
    """Measure a program in a process of its own: being a subreaper lasts as long as the process."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, program, str(folder / "log")],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).resolve().parents[3],
    )
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_the_cpu_of_a_daemon_that_outlives_its_parent_counts(tmp_path: Path) -> None:
    result = measured(DAEMON, tmp_path)

    assert result["cpu_seconds"] >= 0.6
    assert result["wall_seconds"] < 0.6
    assert result["left_over"] == 0


def test_memory_of_the_whole_tree_is_seen(tmp_path: Path) -> None:
    hold = "import time; block = bytearray(b'x') * (64 << 20); time.sleep(1.2)"
    tree = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hold!r}])"

    result = measured(tree, tmp_path)

    assert result["peak_pss_bytes"] > 64 << 20
    assert result["peak_rss_bytes"] >= result["peak_pss_bytes"]


def test_a_command_that_fails_is_an_error_with_its_words(tmp_path: Path) -> None:
    result = measured("import sys; sys.exit('no such clip')", tmp_path)

    assert "no such clip" in result["error"]
