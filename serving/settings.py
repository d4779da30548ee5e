"""What a server needs to know: its data, its doors, its limits."""

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from adsrank.models.admission import Admission
from adsrank.settings import EngineSettings
from auction.settings import Settings
from serving.renewer import LeaseSettings


class Limits(Settings):
    """What one replica accepts. Beyond these it answers at once, with a reason."""

    max_body_bytes: int = Field(1_000_000, ge=1_000, le=64_000_000, description="Of one request.")
    max_ongoing: int = Field(8, ge=1, le=10_000, description="Requests decided or waiting their turn.")
    max_queued: int = Field(16, ge=0, le=100_000, description="Beyond those; then 503 with Retry-After.")
    request_timeout_s: float = Field(2.0, gt=0, le=60, description="End to end, in the proxy.")
    retry_after_s: int = Field(1, ge=1, le=60)
    max_clock_skew_s: float = Field(
        300.0, ge=0, description="A request's time further from the server's clock is replaced by it."
    )


class ServingSettings(Settings):
    """One server. A path that is not given lies in `data`; relative paths start at the working directory."""

    data: Path = Field(Path("runs/serve"), description="Folder of the server's own files.")
    bundle: Path | None = Field(None, description="Model bundle, or a registry; null: DATA/bundle.")
    admission: Admission = Field(Admission(), description="What a bundle must show before it serves.")
    policy: Path | None = Field(None, description="Auction policy; null: DATA/policy.yaml, or the default.")
    log: Path | None = Field(None, description="Decision log; null: DATA/log.")
    database: str | None = Field(
        None, description="Catalog and ledger: sqlite:///FILE or postgresql://...; null: DATA/adsrank.db."
    )

    database_schema: str | None = Field(None, description="PostgreSQL schema of the tables.")

    host: str = Field("127.0.0.1", description="0.0.0.0 opens HTTP and gRPC (plaintext) to the network.")
    port: int = Field(8000, ge=0, le=65_535, description="HTTP; 0: a free one.")
    grpc_port: int | None = Field(9000, ge=0, le=65_535, description="null: no gRPC; 0: a free one.")
    proxy: bool = Field(True, description="Front the replicas with HAProxy; false: Serve's own Python proxy.")

    replicas: int = Field(2, ge=1, le=256)
    threads: int = Field(1, ge=1, le=64, description="Decisions at a time in one replica.")
    limits: Limits = Limits()
    engine: EngineSettings = EngineSettings()
    frequency_times: int = Field(1_000_000, ge=1, description="Contacts that frequency caps remember.")

    token_key_variable: str = Field(
        "ADSRANK_TOKEN_KEY", description="Environment variable of the placement tokens' key, 64 hex digits."
    )
    token_ttl_s: float = Field(86_400.0, gt=0, description="How long a placement can still be charged.")
    trust_request_time: bool = Field(
        False, description="Take every request's own time: for simulated traffic, never for live."
    )
    lease: LeaseSettings = LeaseSettings()
    refresh_seconds: float = Field(1.0, gt=0, le=600, description="How often the catalog is looked at.")
    flush_seconds: float = Field(2.0, gt=0, le=600, description="How often the decision log is written.")

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        if self.grpc_port and self.grpc_port == self.port:
            raise ValueError(f"grpc_port: {self.grpc_port} is the HTTP port too; give another")
        return self

    @property
    def bundle_folder(self) -> Path:
        return self.bundle or self.data / "bundle"

    @property
    def log_folder(self) -> Path:
        return self.log or self.data / "log"

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{(self.data / 'adsrank.db').absolute()}"

    @property
    def policy_file(self) -> Path | None:
        """The policy's file, or null where the default policy serves."""
        if self.policy is not None:
            return self.policy
        standing = self.data / "policy.yaml"
        return standing if standing.exists() else None

    @property
    def loopback(self) -> bool:
        """Whether only this machine may connect."""
        return self.host in ("127.0.0.1", "localhost", "::1")

    def absolute(self) -> Self:
        """The same settings with absolute paths: replicas start in another working directory."""
        names = [name for name in ("data", "bundle", "policy", "log") if getattr(self, name) is not None]
        return self.model_copy(update={name: Path(getattr(self, name)).absolute() for name in names})
