"""For those who run it: health and metrics."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from control_plane.rest.bodies import HealthBody
from control_plane.rest.caller import ServicesOf
from control_plane.rest.metrics import Metrics

__all__ = ["router"]

router = APIRouter(tags=["operations"])


@router.get("/health")
async def get_health(response: Response, services: ServicesOf) -> HealthBody:
    """Role, uptime and the services behind this process; 503 when the database does not answer. Needs no key."""
    found = HealthBody.of(await services.health.check())
    response.status_code = 200 if found.healthy else 503
    response.headers["Cache-Control"] = "no-store"
    return found


@router.get("/metrics", response_class=Response)
async def get_metrics(request: Request, services: ServicesOf) -> Response:
    """Prometheus's text format."""
    metrics: Metrics = request.app.state.metrics
    text = metrics.exposition(await services.health.jobs_by_status())
    return Response(text, media_type=CONTENT_TYPE_PLAIN_0_0_4)
