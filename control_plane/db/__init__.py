"""PostgreSQL: the truth. Tables, migrations, and the adapters that write them."""

from control_plane.db.engine import create_engine, migrate

__all__ = ["create_engine", "migrate"]
