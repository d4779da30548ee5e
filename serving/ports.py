"""Ports for one cluster, so that several can live on one machine."""

import os
import socket
from dataclasses import dataclass

from serving.settings import ServingSettings

# Below the range from which Linux gives ports to outgoing connections.
FIRST, LAST = 20_000, 32_000
REPLICA_PORTS = 64


@dataclass(frozen=True, slots=True)
class Ports:
    """What a cluster opens. A replica's own ports are taken from `REPLICA_PORTS` after the first."""

    http: int
    grpc: int | None
    statistics: int
    fallback_http: int
    fallback_grpc: int
    replica_http: int
    replica_grpc: int


def pick(settings: ServingSettings) -> Ports:
    """The settings' ports, and free ones for all that has none.

    Raises:
        OSError: no block of free ports.
    """
    span = 2 * REPLICA_PORTS + 8
    blocks = (LAST - FIRST) // span
    for attempt in range(blocks):
        start = FIRST + (os.getpid() + attempt) % blocks * span
        if all(_free(port) for port in range(start, start + span)):
            base = start + 2 * REPLICA_PORTS
            return Ports(
                http=settings.port or base,
                grpc=None if settings.grpc_port is None else settings.grpc_port or base + 1,
                statistics=base + 2,
                fallback_http=base + 3,
                fallback_grpc=base + 4,
                replica_http=start,
                replica_grpc=start + REPLICA_PORTS,
            )
    raise OSError(f"no {span} free ports in a row between {FIRST} and {LAST}")


def is_free(host: str, port: int) -> bool:
    """Whether nothing listens there yet."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind((host, port))
        except OSError:
            return False
    return True


def _free(port: int) -> bool:
    return is_free("0.0.0.0", port)
