"""Events: from the outbox to Redis Streams, and back as a wake-up. None of it holds truth."""

from control_plane.events.relay import OutboxRelay
from control_plane.events.wakeup import Wakeup

__all__ = ["OutboxRelay", "Wakeup"]
