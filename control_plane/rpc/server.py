"""The gRPC server: TranscodeService, health and reflection behind one interceptor, on one address."""

from __future__ import annotations

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from control_plane.pb.framemill.v1 import transcode_pb2, transcode_pb2_grpc
from control_plane.rpc.interceptor import DoorInterceptor
from control_plane.rpc.transcode import TranscodeServicer
from control_plane.service.catalog import Services
from transcoder.errors import ResourceMissingError

__all__ = ["GrpcServer"]

_SERVICE = transcode_pb2.DESCRIPTOR.services_by_name["TranscodeService"].full_name
_MAX_MESSAGE_BYTES = 1024 * 1024
_GRACE_SECONDS = 2.0


class GrpcServer:
    """A server that is bound when it is started and knows its real port: 0 asks for a free one."""

    def __init__(self, services: Services) -> None:
        self._server = grpc.aio.server(
            interceptors=[DoorInterceptor(services.access)],
            # Two processes on one port would share the calls between them; better a clear error.
            options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES)],
        )
        self._health = health.aio.HealthServicer()  # type: ignore[attr-defined]
        transcode_pb2_grpc.add_TranscodeServiceServicer_to_server(TranscodeServicer(services.jobs), self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection((_SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server)

    async def start(self, address: str) -> str:
        """Bind `host:port`, serve, and give the address with its real port.

        Errors: ResourceMissingError when the address cannot be bound.
        """
        host = address.rpartition(":")[0]
        try:
            port = self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise ResourceMissingError(f"cannot listen for gRPC on {address}: is it in use?") from error
        await self._server.start()
        await self._health.set(_SERVICE, health_pb2.HealthCheckResponse.SERVING)
        return f"{host}:{port}"

    async def stop(self) -> None:
        """Say NOT_SERVING, let calls end for two seconds, then cancel what still runs."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(_GRACE_SECONDS)
