"""The HTTP API as an ASGI app, made by a factory: nothing happens at import."""

from __future__ import annotations

import asyncio

from fastapi import FastAPI

from cluster.ports import ObjectStore
from control_plane.rest import jobs, operations, playback, videos
from control_plane.rest.door import Door
from control_plane.rest.failures import install_handlers
from control_plane.rest.metrics import Metrics
from control_plane.rest.upload import sweep
from control_plane.service.catalog import Services
from control_plane.settings import Settings

__all__ = ["create_app"]


def create_app(
    services: Services, store: ObjectStore, settings: Settings, *, stopping: asyncio.Event | None = None
) -> FastAPI:
    """The app over these services. Open event streams end when `stopping` is set."""
    app = FastAPI(
        title="Framemill", version="1", docs_url=None, redoc_url=None, redirect_slashes=False,
        description="Upload once, play seconds later. Every error is {code, message, details?}.",
    )  # fmt: skip
    metrics = Metrics()
    app.state.services = services
    app.state.store = store
    app.state.settings = settings
    app.state.metrics = metrics
    app.state.stopping = stopping or asyncio.Event()
    app.state.upload_folder = settings.data_dir / "uploads"
    sweep(app.state.upload_folder)
    for part in (videos, jobs, playback, operations):
        app.include_router(part.router)
    install_handlers(app)
    app.add_middleware(Door, access=services.access, metrics=metrics)
    return app
