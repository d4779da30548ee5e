"""One Ray cluster with one application, in a process of its own (see `serving.launch`).

Run as ``python -m serving.cluster``: settings come as a line of JSON on standard input; a line of JSON on
standard output says where the server listens; the end of the input ends the server.
"""

import contextlib
import json
import os
import secrets
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from serving.loopback import hold_haproxy
from serving.ports import REPLICA_PORTS, Ports, pick
from serving.settings import ServingSettings

APPLICATION = "adsrank"
READY_SECONDS = 60.0
LONGEST_TEMPORARY = 40
"""Ray's sockets lie deep in its folder, and a socket's path has at most 107 characters."""


def environment(settings: ServingSettings, ports: Ports, folder: Path) -> dict[str, str]:
    """What Ray and Serve read when they start; Serve's own defaults are not fit for this use."""
    packages = str(Path(__file__).resolve().parents[1])
    known = os.environ.get("PYTHONPATH")
    threads = str(settings.threads)
    values = {
        "PYTHONPATH": f"{packages}{os.pathsep}{known}" if known else packages,
        "OMP_NUM_THREADS": threads,
        "OMP_WAIT_POLICY": "passive",
        "RAY_worker_niceness": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        # A token of this cluster alone, in memory: Ray's own ports are open to the network.
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_SERVE_LOG_TO_STDERR": "0",
        "RAY_SERVE_GRPC_MAX_MESSAGE_SIZE": str(max(4_194_304, settings.limits.max_body_bytes)),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(ports.fallback_http),
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(ports.fallback_grpc),
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "0",
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(ports.replica_http),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(ports.replica_http + REPLICA_PORTS),
        "RAY_SERVE_DIRECT_INGRESS_MIN_GRPC_PORT": str(ports.replica_grpc),
        "RAY_SERVE_DIRECT_INGRESS_MAX_GRPC_PORT": str(ports.replica_grpc + REPLICA_PORTS),
    }
    if not settings.proxy:
        return values
    values |= {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        "RAY_SERVE_HAPROXY_NBTHREAD": "1",
        # Its actor parses a log line of every request; the replicas count for themselves.
        "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(ports.statistics),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(ports.statistics + 3),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(folder / "metrics.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
        "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": "5",
    }
    script = hold_haproxy(folder) if settings.loopback else None
    if script is not None:
        values["RAY_SERVE_HAPROXY_BINARY_PATH"] = str(script)
    return values


def serve_until_told(settings: ServingSettings, ports: Ports, folder: Path) -> None:
    """Start everything, say where on standard output, and stop at the end of standard input."""
    os.environ.update(environment(settings, ports, folder))
    out = os.dup(1)
    os.dup2(2, 1)  # What Ray prints goes to the log, never between our two lines.
    import ray
    from ray import serve
    from ray.serve.config import HTTPOptions, gRPCOptions
    from ray.serve.schema import LoggingConfig

    from serving.app import SERVICER, ServeArgs, build

    ray.init(
        address="local",
        _temp_dir=str(folder / "r"),
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=128 * 1024 * 1024,
    )
    try:
        serve.start(
            http_options=HTTPOptions(
                host=settings.host, port=ports.http, request_timeout_s=settings.limits.request_timeout_s
            ),
            grpc_options=gRPCOptions(
                port=ports.grpc or 0,
                grpc_servicer_functions=[SERVICER] if ports.grpc else [],
                request_timeout_s=settings.limits.request_timeout_s,
                enable_reflection=False,
            ),
        )
        logging = LoggingConfig(enable_access_log=False, logs_dir=str(settings.data / "serve"))
        serve.run(
            build(ServeArgs(settings=settings)), name=APPLICATION, route_prefix="/", logging_config=logging
        )
        local = "127.0.0.1" if settings.host in ("0.0.0.0", "localhost") else settings.host
        url = f"http://{f'[{local}]' if ':' in local else local}:{ports.http}"
        _wait(url)
        place = {"url": url, "grpc": f"{local}:{ports.grpc}" if ports.grpc else None}
        os.write(out, json.dumps(place).encode() + b"\n")
        sys.stdin.buffer.read()
    finally:
        with contextlib.suppress(Exception):
            serve.shutdown()
        ray.shutdown()


def _wait(url: str) -> None:
    """Until a replica answers that it is ready."""
    import httpx

    end = time.monotonic() + READY_SECONDS
    last = "no answer"
    while time.monotonic() < end:
        try:
            answer = httpx.get(f"{url}/readyz", timeout=2, trust_env=False)
            if answer.status_code == 200:
                return
            last = answer.text[:200]
        except httpx.HTTPError as error:
            last = repr(error)
        time.sleep(0.1)
    raise TimeoutError(f"{url}/readyz: not ready after {READY_SECONDS:.0f} s: {last}")


def _tell_logs(folder: Path) -> None:
    """Why the server failed stands in Serve's own log, which ends with this folder."""
    for file in sorted(folder.glob("r/session_latest/logs/serve/*.log")):
        lines = file.read_text(errors="replace").splitlines()
        told = [line for line in lines if "ERROR" in line or "Error" in line][-10:]
        for line in told:
            sys.stderr.write(f"{file.stem}: {line}\n")


def _folder() -> Path:
    root = tempfile.gettempdir()
    return Path(tempfile.mkdtemp(prefix="ads", dir=root if len(root) <= LONGEST_TEMPORARY else "/tmp"))


def main() -> None:
    told: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    settings = ServingSettings.model_validate(told)
    folder = _folder()
    try:
        serve_until_told(settings, pick(settings), folder)
    except BaseException:
        _tell_logs(folder)
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
