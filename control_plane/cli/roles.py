"""`framemill serve`, `api`, `grpc`, `worker`: the server's roles, one process each."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from pydantic import ValidationError

from control_plane.bootstrap import Role, Running, run_role
from control_plane.cli.connection import SERVE_FILE
from control_plane.logs import configure_logs
from control_plane.settings import Settings
from transcoder.errors import InvalidInputError

__all__ = ["api", "grpc", "serve", "worker"]

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _data(command: _Command) -> _Command:
    return click.option(
        "--data", type=click.Path(file_okay=False, path_type=Path), help="Data directory [default: data]."
    )(command)


def _http(command: _Command) -> _Command:
    return click.option("--http", metavar="ADDR", help="HOST:PORT of the HTTP API; port 0 takes a free one.")(command)


def _grpc(command: _Command) -> _Command:
    return click.option("--grpc", "grpc_", metavar="ADDR", help="HOST:PORT of the gRPC API; port 0 takes a free one.")(
        command
    )


@click.command()
@_data
@_http
@_grpc
def serve(data: Path | None, http: str | None, grpc_: str | None) -> None:
    """Run everything in one process: PostgreSQL, Valkey, Ray, both APIs and the dispatcher.

    All that is kept lies in the data directory. Everything listens on loopback unless an address says otherwise.
    """
    _run("serve", data_dir=data, http_address=http, grpc_address=grpc_)


@click.command()
@_data
@_http
def api(data: Path | None, http: str | None) -> None:
    """Run the HTTP API over the configured PostgreSQL and Redis."""
    _run("api", data_dir=data, http_address=http)


@click.command()
@_data
@_grpc
def grpc(data: Path | None, grpc_: str | None) -> None:
    """Run the gRPC API over the configured PostgreSQL and Redis."""
    _run("grpc", data_dir=data, grpc_address=grpc_)


@click.command()
@_data
def worker(data: Path | None) -> None:
    """Run the dispatcher and the event relay over the configured PostgreSQL, Redis and Ray cluster."""
    _run("worker", data_dir=data)


def _run(role: Role, **given: object) -> None:
    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        reasons = "; ".join(f"{'.'.join(map(str, found['loc']))}: {found['msg']}" for found in error.errors())
        raise InvalidInputError(f"the settings are not valid: {reasons}") from error
    configure_logs()
    serve_file = settings.data_dir / SERVE_FILE

    def announce(running: Running) -> None:
        if role == "serve":
            _write(serve_file, running)
        _print(running)

    try:
        asyncio.run(run_role(settings, role, announce))
    finally:
        if role == "serve":
            _remove_own(serve_file)


def _write(path: Path, running: Running) -> None:
    """Tell clients on this machine where we are. Whole or not at all: written beside its place, then renamed."""
    document = {
        "http": f"http://{running.http_address}",
        "grpc": running.grpc_address,
        "apiKeyFile": str(running.platform.api_key_file),
        "pid": os.getpid(),
    }
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    draft.replace(path)


def _remove_own(path: Path) -> None:
    """Remove the file if it is ours: a second process that could not start must not remove the first one's."""
    try:
        if json.loads(path.read_text(encoding="utf-8"))["pid"] == os.getpid():
            path.unlink()
    except (OSError, ValueError, KeyError):
        return


def _print(running: Running) -> None:
    platform = running.platform
    if running.http_address:
        click.echo(f"HTTP     http://{running.http_address}")
    if running.grpc_address:
        click.echo(f"gRPC     {running.grpc_address}")
    if platform.fresh_key:
        click.echo(f"API key  {platform.fresh_key}  (kept in {platform.api_key_file})")
    else:
        click.echo(f"API key  in {platform.api_key_file}")
    click.echo("ready")
