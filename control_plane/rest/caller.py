"""What every route can ask for: the caller, the services, the store."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Request

from cluster.ports import ObjectStore
from control_plane.service.catalog import Services
from control_plane.service.views import Principal

__all__ = ["Caller", "ServicesOf", "StoreOf"]


def _principal(request: Request) -> Principal:
    return cast(Principal, request.state.principal)


def _services(request: Request) -> Services:
    return cast(Services, request.app.state.services)


def _store(request: Request) -> ObjectStore:
    return cast(ObjectStore, request.app.state.store)


Caller = Annotated[Principal, Depends(_principal)]
"""Who asks; the door has authenticated them."""

ServicesOf = Annotated[Services, Depends(_services)]
"""The app's services."""

StoreOf = Annotated[ObjectStore, Depends(_store)]
"""The app's object store."""
