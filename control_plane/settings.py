"""The settings of every role: built once in the composition root, never at import.

Each field can be set by an environment variable with the prefix `FRAMEMILL_`, such as FRAMEMILL_DATABASE_DSN, and a
field of a group with two underscores between them, such as FRAMEMILL_ENGINE__LIMITS__PIXELS.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from cluster.settings import EngineSettings

__all__ = ["Settings"]


class Settings(BaseSettings):
    """All knobs of the control plane. Sizes in bytes, spans in whole seconds.

    `database_dsn` and `redis_url` may be None: then the embedded PostgreSQL and Valkey under `data_dir` are used.
    """

    model_config = SettingsConfigDict(env_prefix="FRAMEMILL_", env_nested_delimiter="__", frozen=True, extra="forbid")

    data_dir: Path = Path("data")
    database_dsn: str | None = Field(default=None, description="postgresql+psycopg://user@host/database")
    redis_url: str | None = Field(default=None, description="redis:// or unix:// URL")
    http_address: str = "127.0.0.1:8080"
    grpc_address: str = "127.0.0.1:8081"
    store_root: Path | None = Field(default=None, description="folder of the local object store")
    max_upload_bytes: int = Field(default=20 * 2**30, ge=1)
    ray_address: str | None = None
    lease_seconds: int = Field(default=10, ge=1)
    max_running_jobs: int = Field(default=4, ge=1)
    playback_ttl_seconds: int = Field(default=21_600, ge=1)
    dispatcher_cluster: str = Field(default="default", min_length=1)
    engine: EngineSettings = Field(default_factory=EngineSettings)

    @property
    def object_root(self) -> Path:
        """Where the local object store lies."""
        return self.store_root if self.store_root is not None else self.data_dir / "objects"
