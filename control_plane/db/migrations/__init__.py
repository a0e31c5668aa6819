"""Alembic's folder; `control_plane.db.migrate` runs it at every start."""
