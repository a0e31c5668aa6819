"""The embedded services: what a killed owner leaves behind, a second owner, long paths, a clean end."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from redis.asyncio import Redis

from control_plane.embedded import EmbeddedServices
from transcoder.errors import ConflictError, ResourceMissingError

OWNER = """
import sys, time
from pathlib import Path
from control_plane.embedded import EmbeddedServices
services = EmbeddedServices(Path(sys.argv[1]))
services.start()
print(services.database_dsn, flush=True)
time.sleep(600)
"""


def servers_of(data_dir: Path) -> list[psutil.Process]:
    """The server processes that work below a data directory."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd().startswith(f"{data_dir}/") and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def connect(dsn: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(dsn.replace("+psycopg", ""), autocommit=True)


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "data"
    yield path
    for process in servers_of(path):
        process.kill()


async def test_data_survives_an_owner_that_is_killed(data_dir: Path) -> None:
    owner = await asyncio.to_thread(
        subprocess.Popen, [sys.executable, "-c", OWNER, str(data_dir)], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    dsn = (await asyncio.to_thread(owner.stdout.readline)).strip()
    with connect(dsn) as connection:
        connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept VALUES (7)")
        with pytest.raises(ConflictError):
            EmbeddedServices(data_dir).start()
    owner.send_signal(signal.SIGKILL)
    await asyncio.to_thread(owner.wait)
    owner.stdout.close()
    leftovers = {process.pid for process in servers_of(data_dir)}
    assert leftovers
    async with EmbeddedServices(data_dir) as services:
        assert not leftovers & {process.pid for process in servers_of(data_dir)}
        with connect(services.database_dsn) as connection:
            assert connection.execute("SELECT n FROM kept").fetchall() == [(7,)]
        redis = Redis.from_url(services.redis_url)
        assert await redis.ping()
        await redis.aclose()
    assert servers_of(data_dir) == []


async def test_an_owner_that_just_ends_leaves_no_server(data_dir: Path) -> None:
    script = OWNER.replace("time.sleep(600)", "raise SystemExit(3)")
    ended = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", script, str(data_dir)], capture_output=True, check=False, timeout=60
    )
    assert ended.returncode == 3
    assert servers_of(data_dir) == []


async def test_a_server_that_dies_does_not_keep_the_other_one(data_dir: Path) -> None:
    async with EmbeddedServices(data_dir):
        (valkey,) = [process for process in servers_of(data_dir) if process.cwd().endswith("/valkey")]
        valkey.kill()
        await asyncio.to_thread(valkey.wait)
    assert servers_of(data_dir) == []


async def test_nothing_listens_on_a_network_and_the_folders_are_private(data_dir: Path) -> None:
    async with EmbeddedServices(data_dir) as services:
        listening = [c for process in servers_of(data_dir) for c in process.net_connections("inet")]
        assert listening == []
        # As root PostgreSQL is another user, who must pass through, and may not look around.
        allowed = 0o711 if os.geteuid() == 0 else 0o700
        assert mode(data_dir) == allowed
        for name in ("postgres", "valkey"):
            assert mode(data_dir / name) == 0o700
        sockets = Path(services.database_dsn.partition("host=")[2])
        assert mode(sockets) == 0o700
    assert not await asyncio.to_thread(sockets.exists)


async def test_a_path_too_long_for_a_socket(tmp_path: Path) -> None:
    data_dir = tmp_path / ("long" * 30) / "data"
    async with EmbeddedServices(data_dir) as services:
        with connect(services.database_dsn) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        sockets = Path(services.database_dsn.partition("host=")[2])
    assert not await asyncio.to_thread(sockets.exists)
    assert servers_of(data_dir) == []


async def test_a_data_directory_of_another_version_is_refused(data_dir: Path) -> None:
    (data_dir / "postgres").mkdir(parents=True)
    (data_dir / "postgres" / "PG_VERSION").write_text("12\n")
    with pytest.raises(ResourceMissingError, match="PostgreSQL 12"):
        EmbeddedServices(data_dir).start()
    # The directory is free again for whoever puts it right.
    (data_dir / "postgres" / "PG_VERSION").unlink()
    (data_dir / "postgres").rmdir()
    async with EmbeddedServices(data_dir):
        assert servers_of(data_dir)
