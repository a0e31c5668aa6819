"""Alembic's entry: runs on the connection, and in the transaction, that `control_plane.db.migrate` hands over."""

from __future__ import annotations

from alembic import context

from control_plane.db.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"], target_metadata=METADATA, compare_server_default=True
)
with context.begin_transaction():
    context.run_migrations()
