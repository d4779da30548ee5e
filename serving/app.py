"""The Ray Serve application: one deployment that is the whole request path, over HTTP and gRPC.

serve run configs/ray_serve.yaml
"""

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray import serve
from ray.serve import Application

from auction.settings import Settings
from serving import loopback
from serving.metrics_folder import FOLDER_VARIABLE, fresh_folder
from serving.settings import ServingSettings

if TYPE_CHECKING:
    from fastapi import FastAPI

    from serving.grpc import Context
    from serving.proto import ads_pb2 as pb

SERVICER = "serving.proto.ads_pb2_grpc.add_AdsServicer_to_server"
SPARE = 32
"""Serve's own limits lie above the application's, so that refusals are problem+json and health answers."""


class ServeArgs(Settings):
    """Arguments of `build`: a settings file, or the settings themselves."""

    config: Path | None = None
    settings: ServingSettings | None = None

    def resolved(self) -> ServingSettings:
        """The settings, with absolute paths."""
        if self.settings is not None:
            return self.settings.absolute()
        return (ServingSettings.load(self.config) if self.config else ServingSettings()).absolute()


@serve.ingress()
class Ads:
    """A replica: one runtime behind both doors."""

    def __init__(self, settings: dict[str, Any]) -> None:
        # The log's and the ledger's threads give way to a request ten times sooner than by default.
        sys.setswitchinterval(0.0005)
        checked = ServingSettings.model_validate(settings)
        if checked.loopback:
            loopback.hold_grpc()
        # Here, so that who builds or starts the application loads no model library.
        from serving import logs
        from serving.assembly import open_runtime
        from serving.grpc import GrpcDoor

        logs.write_to(checked.data / "serve")
        self._runtime = open_runtime(checked)
        self._door = GrpcDoor(self._runtime)

    def __serve_build_asgi_app__(self) -> "FastAPI":
        from serving.http import create_app

        return create_app(self._runtime)

    async def Feed(self, request: "pb.FeedRequest", grpc_context: "Context") -> "pb.FeedResponse":
        return await self._door.feed(request, grpc_context)

    async def Events(self, request: "pb.EventsRequest", grpc_context: "Context") -> "pb.EventsResponse":
        return await self._door.events(request, grpc_context)

    def check_health(self) -> None:
        self._runtime.check()


def build(args: ServeArgs) -> Application:
    """The application for `serve run` and for `serving.launch`."""
    settings = args.resolved()
    limits = settings.limits
    most = limits.max_ongoing + limits.max_queued
    threads = str(settings.threads)
    environment = {
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "NUMBA_NUM_THREADS": threads,
        "OMP_WAIT_POLICY": "passive",
        FOLDER_VARIABLE: str(fresh_folder(settings.data / "metrics", f"{time.time_ns()}-{os.getpid()}")),
    }
    deployment = serve.deployment(
        Ads,
        name="Ads",
        num_replicas=settings.replicas,
        max_ongoing_requests=most + SPARE,
        max_queued_requests=most + SPARE,
        ray_actor_options={"num_cpus": 0, "runtime_env": {"env_vars": environment}},
        health_check_period_s=5,
        health_check_timeout_s=15,
        graceful_shutdown_timeout_s=5,
        graceful_shutdown_wait_loop_s=0.1,
    )
    return deployment.bind(settings.model_dump(mode="json"))
