"""`adsrank serve`: the HTTP and gRPC server, on Ray Serve."""

from pathlib import Path
from typing import Annotated

import typer

from serving.cli.console import err

EXAMPLE = "Example: adsrank serve configs/serve.yaml --port 8000"


def run(
    config: Annotated[
        Path | None, typer.Argument(help="Serving settings, YAML; default: the code's.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder with bundle/ and the database.")] = None,
    port: Annotated[int | None, typer.Option(help="HTTP port; 0: a free one.", min=0, max=65535)] = None,
) -> None:
    """Serve until interrupted. POST /v1/feed, /v1/events; GET /healthz, /readyz, /metrics."""
    from serving.launch import run_forever
    from serving.settings import ServingSettings

    settings = ServingSettings.load(config) if config else ServingSettings()
    changes = {name: value for name, value in (("data", data), ("port", port)) if value is not None}
    if changes:
        settings = ServingSettings.model_validate({**settings.model_dump(), **changes})
    code = run_forever(settings, lambda handle: err.print(f"ready at {handle.url}, gRPC at {handle.grpc}"))
    raise typer.Exit(code)
