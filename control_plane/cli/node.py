"""`framemill node`: this machine joins a Ray cluster."""

from __future__ import annotations

import os
import sys

import click

__all__ = ["node"]


@click.command()
@click.option("--address", envvar="FRAMEMILL_RAY_ADDRESS", required=True, help="HOST:PORT of the cluster's head.")
@click.option("--cpus", type=click.IntRange(1), help="CPUs to offer; those this process may use unless given.")
@click.option("--node-ip", help="Address that the other nodes reach this machine by.")
def node(address: str, cpus: int | None, node_ip: str | None) -> None:
    """Join this machine to a Ray cluster and work until it is stopped.

    A node talks to every other one on ports of its own, so its network must be one that the cluster trusts. The
    process is Ray's: it is replaced by `ray start --block`, and a signal to it stops the node.
    """
    count = cpus or len(os.sched_getaffinity(0))
    command = [
        sys.executable, "-m", "ray.scripts.scripts", "start", f"--address={address}", f"--num-cpus={count}",
        "--disable-usage-stats", "--block",
    ]  # fmt: skip
    if node_ip:
        command.append(f"--node-ip-address={node_ip}")
    click.echo(f"joining {address} with {count} CPUs", err=True)
    sys.stderr.flush()
    os.execv(sys.executable, command)  # noqa: S606 - no shell, on purpose: the arguments are a list
