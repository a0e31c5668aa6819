"""The player pages, and a small server for packages that lie in a local folder."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from support.requirements import missing

__all__ = ["PLAYERS", "page_file", "serve_folder"]

FOLDER = Path(__file__).resolve().parents[1] / "e2e" / "players"

PLAYERS = {
    "hls": ("hls.html", "node_modules/hls.js/dist/hls.min.js"),
    "shaka": ("shaka.html", "node_modules/shaka-player/dist/shaka-player.compiled.js"),
    "dash": ("dash.html", "node_modules/dashjs/dist/modern/umd/dash.all.min.js"),
}
"""Each player's page and the script of the pinned npm package that the page loads as `player.js`."""


def page_file(player: str, name: str) -> Path | None:
    """The file behind a name that a player's page asks for; None for anything else."""
    page, script = PLAYERS[player]
    files = {page: page, "bench.js": "bench.js", "player.js": script}
    if name not in files:
        return None
    path = FOLDER / files[name]
    if not path.exists():
        missing(f"the npm package behind {files[name]} (`make test-deps` installs it)")
    return path


class _Handler(SimpleHTTPRequestHandler):
    extensions_map = {  # noqa: RUF012 - the base class declares it so
        **SimpleHTTPRequestHandler.extensions_map,
        ".m3u8": "application/vnd.apple.mpegurl",
        ".mpd": "application/dash+xml",
        ".m4s": "video/mp4",
    }

    def log_message(self, format: str, *args: object) -> None:
        """Be quiet: the browser's own errors say what was wrong."""


@contextlib.contextmanager
def serve_folder(folder: Path) -> Iterator[str]:
    """Serve a folder's files on a free loopback port; gives the origin, such as "http://127.0.0.1:4711"."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder))) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
