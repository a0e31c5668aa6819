"""The HTTP server: an ASGI app on one address, started and stopped by its owner's event loop."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from transcoder.errors import InvalidInputError, ResourceMissingError

__all__ = ["HttpServer"]

_GRACE_SECONDS = 3
_BACKLOG = 512


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the process: it has more than this server to stop."""
        yield


class HttpServer:
    """A server that is bound when it is made and knows its real port: 0 asks for a free one.

    Errors: ResourceMissingError when `address` (`host:port`) cannot be bound, InvalidInputError when it is none.
    """

    def __init__(self, app: FastAPI, address: str) -> None:
        host, _, port = address.rpartition(":")
        host = host.strip("[]")
        if not host or not port.isdigit():
            raise InvalidInputError(f"{address!r} is not HOST:PORT")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, int(port)), family=family, backlog=_BACKLOG)
        except OSError as error:
            raise ResourceMissingError(f"cannot listen for HTTP on {address}: {error.strerror}") from error
        shown = f"[{host}]" if family == socket.AF_INET6 else host
        self.address = f"{shown}:{self._socket.getsockname()[1]}"
        # No access log: playback paths carry tokens. The door logs each request by its route.
        self._server = _Server(
            uvicorn.Config(
                app, log_config=None, access_log=False, server_header=False, proxy_headers=False, lifespan="off",
                timeout_graceful_shutdown=_GRACE_SECONDS,
            )
        )  # fmt: skip

    async def serve(self) -> None:
        """Answer requests until `stop` is called and what is open has ended."""
        await self._server.serve(sockets=[self._socket])

    def stop(self) -> None:
        """Take no new requests; `serve` returns when the open ones have ended, three seconds at most."""
        self._server.should_exit = True
