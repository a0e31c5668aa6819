"""Ledgers that need no database. The one of the platform is in control_plane/db."""
