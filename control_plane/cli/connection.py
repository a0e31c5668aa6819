"""How the client commands find the server: options, then the environment, then the files of `framemill serve`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import update_wrapper
from pathlib import Path
from typing import Any, TypeVar

import click
import grpc

from control_plane.pb.framemill.v1 import transcode_pb2_grpc as pb_grpc
from control_plane.rpc.statuses import error_of_call
from transcoder.errors import ResourceMissingError

__all__ = ["SERVE_FILE", "Connection", "connection_options"]

SERVE_FILE = "serve.json"
"""Where `framemill serve` writes its addresses, in its data directory."""

CALL_SECONDS = 30.0

_Command = TypeVar("_Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Connection:
    """The server's addresses, and the key to show it."""

    http_url: str
    grpc_address: str
    api_key: str

    @property
    def headers(self) -> dict[str, str]:
        """For HTTP requests."""
        return {"Authorization": f"Bearer {self.api_key}"}

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """For gRPC calls."""
        return (("authorization", f"Bearer {self.api_key}"),)

    @contextmanager
    def stub(self) -> Iterator[pb_grpc.TranscodeServiceStub]:
        """A stub on an open channel. A failed call is raised as the error it was on the server."""
        try:
            with grpc.insecure_channel(self.grpc_address) as channel:
                yield pb_grpc.TranscodeServiceStub(channel)
        except grpc.RpcError as error:
            raise error_of_call(error) from error


def connection_options(command: _Command) -> _Command:
    """Add --http, --grpc, --api-key and --data, and pass what they mean as the argument `connection`."""

    def called(*args: Any, http: str | None, grpc_: str | None, api_key: str | None, data: Path, **kwargs: Any) -> Any:
        return command(*args, connection=_resolve(http, grpc_, api_key, data), **kwargs)

    update_wrapper(called, command)
    wrapped: Any = called
    for option in (
        click.option(
            "--data", envvar="FRAMEMILL_DATA_DIR", default="data", show_default=True,
            type=click.Path(file_okay=False, path_type=Path), help="Data directory of a server on this machine.",
        ),
        click.option("--api-key", envvar="FRAMEMILL_API_KEY", help="The API key."),
        click.option("--grpc", "grpc_", envvar="FRAMEMILL_GRPC", help="HOST:PORT of the gRPC API."),
        click.option("--http", envvar="FRAMEMILL_HTTP", help="URL of the HTTP API."),
    ):  # fmt: skip
        wrapped = option(wrapped)
    result: _Command = wrapped
    return result


def _resolve(http: str | None, grpc_: str | None, api_key: str | None, data: Path) -> Connection:
    if not (http and grpc_ and api_key):
        found = _served(data)
        http = http or found["http"]
        grpc_ = grpc_ or found["grpc"]
        api_key = api_key or _key(Path(found["apiKeyFile"]))
    if "://" not in http:
        http = f"http://{http}"
    return Connection(http.rstrip("/"), grpc_, api_key)


def _served(data: Path) -> dict[str, str]:
    path = data / SERVE_FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ResourceMissingError(
            f"no server is running on {data}: start `framemill serve --data {data}`, "
            "or give --http, --grpc and --api-key"
        ) from error
    return {name: str(found[name]) for name in ("http", "grpc", "apiKeyFile")}


def _key(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise ResourceMissingError(f"the API key cannot be read from {path}; give --api-key") from error
