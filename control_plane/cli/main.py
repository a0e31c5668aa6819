"""The `framemill` command: the group, lazy imports, and the one place where errors become exit codes.

Commands are imported when they are run, so that `--help` and completion stay fast. A command returns its exit code,
or nothing for 0, and raises FramemillError; no traceback reaches a user.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from control_plane.cli.exits import DONE, FAILED, INTERRUPTED, exit_code
from transcoder.errors import FramemillError

__all__ = ["framemill", "main"]

_COMMANDS: dict[str, tuple[str, str, str]] = {
    "transcode": ("control_plane.cli.media", "transcode", "Turn one file into streams, without a server."),
    "probe": ("control_plane.cli.media", "probe", "Show what a file contains."),
    "plan": ("control_plane.cli.media", "plan", "Show how a file would be transcoded."),
    "verify": ("control_plane.cli.media", "verify", "Check a finished package."),
    "serve": ("control_plane.cli.roles", "serve", "Run everything in one process."),
    "api": ("control_plane.cli.roles", "api", "Run the HTTP API."),
    "grpc": ("control_plane.cli.roles", "grpc", "Run the gRPC API."),
    "worker": ("control_plane.cli.roles", "worker", "Run the dispatcher and the event relay."),
    "node": ("control_plane.cli.node", "node", "Join this machine to a Ray cluster."),
    "submit": ("control_plane.cli.submit", "submit", "Upload a file and transcode it."),
    "jobs": ("control_plane.cli.jobs", "jobs", "List, show, watch, cancel and retry jobs."),
}


class _LazyGroup(click.Group):
    """Knows its commands' names and help without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        entry = _COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, name, _ = entry
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in _COMMANDS.items()])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="framemill", prog_name="framemill")
def framemill() -> None:
    """Upload once, play seconds later: a segment-parallel video transcoding cluster."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit code. Errors go to stderr as one line."""
    try:
        result: Any = framemill.main(args=arguments, prog_name="framemill", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except FramemillError as error:
        click.echo(f"framemill: {error.message}", err=True)
        return exit_code(error.code)
    except BrokenPipeError:
        # The reader went away (`| head`). Python would complain again when it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        if os.environ.get("FRAMEMILL_DEBUG"):
            raise
        click.echo(
            f"framemill: internal error ({type(error).__name__}: {error}); FRAMEMILL_DEBUG=1 shows where", err=True
        )
        return FAILED
    return result if isinstance(result, int) else DONE


if __name__ == "__main__":
    sys.exit(main())
