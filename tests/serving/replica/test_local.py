"""The Serve application without a cluster: local testing mode runs the same class in this process."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from auction.errors import InputError
from serving.app import ServeArgs
from serving.settings import ServingSettings

ROOT = Path(__file__).resolve().parents[3]

SCRIPT = """
import faulthandler, os, sys
faulthandler.dump_traceback_later(170, exit=True)
from ray import serve
from serving.app import ServeArgs, build
from serving.proto import ads_pb2 as pb
from serving.settings import ServingSettings

class Context:
    code = details = None
    def __init__(self, peer): self._peer = peer
    def peer(self): return self._peer
    def set_code(self, code): self.code = code
    def set_details(self, details): self.details = details

app = build(ServeArgs(settings=ServingSettings.load(sys.argv[1])))
handle = serve.run(app, _local_testing_mode=True)
items = [pb.OrganicItem(id=str(number), utility=0.01) for number in range(20)]
request = pb.FeedRequest(request_id="r", user_id="u", organic=items, deadline_ms=5000)

def feed(request, peer):
    return handle.Feed.remote(request, grpc_context=Context(peer)).result()

answer = feed(request, "ipv4:127.0.0.1:9")
organic = [entry.organic_id for entry in answer.feed if entry.WhichOneof("entry") == "organic_id"]
assert organic == [str(number) for number in range(20)], answer
assert answer.degraded == "", answer.degraded
assert not feed(request, "ipv4:192.0.2.1:9").feed
assert not feed(pb.FeedRequest(user_id="u"), "ipv4:127.0.0.1:9").feed
print("LOCAL MODE IS FINE", flush=True)
os._exit(0)  # Local mode never ends its replica, whose threads would run into the interpreter's end.
"""


def test_the_application_runs_in_local_testing_mode(settings: ServingSettings, tmp_path: Path) -> None:
    file = tmp_path / "serve.yaml"
    file.write_text(yaml.safe_dump(settings.model_dump(mode="json")))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(file)], cwd=ROOT, capture_output=True, text=True, timeout=180
    )
    assert "LOCAL MODE IS FINE" in done.stdout, done.stderr[-3000:]


def test_the_shipped_files_are_valid_and_show_the_defaults() -> None:
    assert ServingSettings.load(ROOT / "configs" / "serve.yaml") == ServingSettings()
    ray = yaml.safe_load((ROOT / "configs" / "ray_serve.yaml").read_text())
    from ray.serve.schema import ServeDeploySchema

    checked = ServeDeploySchema.model_validate(ray)
    (application,) = checked.applications
    assert application.import_path == "serving.app:build"
    args = ServeArgs.model_validate(application.args)
    assert args.config == Path("configs/serve.yaml")
    assert ray["http_options"]["port"] == ServingSettings().port
    assert ray["grpc_options"]["port"] == ServingSettings().grpc_port
    assert ray["grpc_options"]["enable_reflection"] is False


def test_a_setting_that_is_misspelt_gets_a_hint(tmp_path: Path) -> None:
    (tmp_path / "serve.yaml").write_text("replica: 3\n")
    with pytest.raises(InputError, match="did you mean 'replicas'"):
        ServingSettings.load(tmp_path / "serve.yaml")


def test_one_port_cannot_serve_both_doors(tmp_path: Path) -> None:
    (tmp_path / "serve.yaml").write_text("port: 9000\n")
    with pytest.raises(InputError, match="9000 is the HTTP port too"):
        ServingSettings.load(tmp_path / "serve.yaml")


def test_overload_is_refused_at_once_and_clients_show_the_organic_feed(
    settings: ServingSettings, bodies: list[dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    import httpx

    from serving.assembly import open_runtime
    from serving.client import AsyncAdsClient
    from serving.http import create_app
    from serving.runtime import Runtime

    limits = settings.limits.model_copy(update={"max_ongoing": 1, "max_queued": 1})
    runtime = open_runtime(settings.model_copy(update={"limits": limits}))
    runtime.start()
    feed = Runtime.feed

    def slow(self: Runtime, *args: object) -> object:
        time.sleep(0.2)
        return feed(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Runtime, "feed", slow)

    async def flood() -> list[str | None]:
        transport = httpx.ASGITransport(create_app(runtime))
        async with AsyncAdsClient("http://ads", timeout_s=20, transport=transport) as client:
            answers = await asyncio.gather(*(client.feed(body) for body in bodies[:6]))
        for body, answer in zip(bodies, answers, strict=False):
            organic = [entry.id for entry in answer.feed if entry.type == "organic"]
            assert organic == [item["id"] for item in body["organic"]]  # type: ignore[attr-defined]
        return [answer.degraded for answer in answers]

    try:
        degraded = asyncio.run(flood())
    finally:
        runtime.close()
    assert degraded.count("client:status_503") == 4
    assert degraded.count(None) == 2
