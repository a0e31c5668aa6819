"""What the HTTP door counts, for Prometheus. One registry an app: nothing global, so tests can have several."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from control_plane.service.views import JobStatus

__all__ = ["Metrics"]

_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class Metrics:
    """The door's collectors. Labels are bounded: route templates and known methods, nothing a caller made up."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "framemill_http_requests", "HTTP requests answered", ("method", "route", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "framemill_http_request_seconds", "Seconds until the answer was sent", ("route",), registry=self.registry
        )
        self._uploaded = Counter("framemill_upload_bytes", "Bytes of sources received", registry=self.registry)
        self._jobs = Gauge("framemill_jobs", "Jobs by state", ("status",), registry=self.registry)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        self._requests.labels(method if method in _METHODS else "other", route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def uploaded(self, count: int) -> None:
        """Count bytes of a source."""
        self._uploaded.inc(count)

    def exposition(self, jobs: dict[str, int]) -> bytes:
        """The text format, with the jobs as the database has them now."""
        for status in JobStatus:
            self._jobs.labels(status.value).set(jobs.get(status.value, 0))
        return generate_latest(self.registry)
