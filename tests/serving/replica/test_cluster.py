"""The real thing: two replicas behind HAProxy, over HTTP and gRPC. One cluster for all tests here."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import httpx
import orjson
import pytest

from adsrank.request import AdRequest
from serving.client import AdsClient
from serving.grpc import from_this_machine
from serving.launch import Handle, launch
from serving.proto import ads_pb2 as pb
from serving.proto.ads_pb2_grpc import AdsStub
from serving.settings import ServingSettings

pytestmark = [pytest.mark.ray, pytest.mark.slow]
Body = dict[str, Any]


@pytest.fixture(scope="module")
def server(market: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handle]:
    data = tmp_path_factory.mktemp("cluster") / "data"
    shutil.copytree(market, data)
    settings = ServingSettings.model_validate(
        {"data": data, "port": 0, "grpc_port": 0, "engine": {"deadline_ms": 2000}}
    )
    with launch(settings) as handle:
        yield handle
    assert not handle.alive


@pytest.fixture
def client(server: Handle) -> Iterator[AdsClient]:
    with AdsClient(server.url, timeout_s=5) as client:
        yield client


@pytest.fixture(scope="module")
def ads(server: Handle) -> Iterator[AdsStub]:
    assert server.grpc is not None
    with grpc.insecure_channel(server.grpc) as channel:
        yield AdsStub(channel)


def message(body: Body) -> pb.FeedRequest:
    asked = AdRequest.model_validate(body)
    return pb.FeedRequest(
        request_id=asked.request_id,
        user_id=asked.user_id,
        surface=asked.surface.value,
        time_us=round(asked.time.timestamp() * 1e6),
        country=asked.country,
        language=asked.language,
        device=asked.device,
        intents=[pb.Intent(embedding=i.embedding, weight=i.weight, source=i.source) for i in asked.intents],
        user_interests=asked.user_interests,
        recent_interests=asked.recent_interests,
        recent_actions=[
            pb.Action(
                type=each.type.value,
                interest=each.interest,
                item=each.item,
                time_us=round(each.time.timestamp() * 1e6),
            )
            for each in asked.recent_actions
        ],
        organic=[
            pb.OrganicItem(id=item.id, utility=item.utility, grade=pb.Grade.Value(f"GRADE_{item.grade.name}"))
            for item in asked.organic
        ],
        positions_since_ad=asked.positions_since_ad,
        explain=True,
    )


def test_haproxy_answers(server: Handle) -> None:
    assert server.proxy == "haproxy"


def test_http_and_grpc_give_the_same_feed_and_prices(
    client: AdsClient, ads: AdsStub, bodies: list[Body]
) -> None:
    shown = 0
    for body in bodies[:10]:
        over_http = client.feed(body)
        over_grpc = ads.Feed(message(body), timeout=5)
        assert over_http.degraded is None
        assert over_grpc.degraded == ""
        assert over_grpc.stages[0].name == "retrieve"
        assert [entry.position for entry in over_grpc.feed] == [entry.position for entry in over_http.feed]
        for one, other in zip(over_http.feed, over_grpc.feed, strict=True):
            if one.type == "organic":
                assert other.organic_id == one.id
            else:
                assert (other.ad.ad_id, other.ad.price_micros) == (one.ad_id, one.price_micros)
                shown += 1
    assert shown


def test_an_event_is_charged_once_whatever_replica_and_door_it_comes_to(
    client: AdsClient, ads: AdsStub, bodies: list[Body]
) -> None:
    placed = [ad for body in bodies[10:20] for ad in client.feed(body).ads]
    assert placed
    charged = 0
    for ad in placed:
        kind = ad.billable_event.lower()
        event = {"event_id": f"x-{ad.token[-12:]}", "token": ad.token, "type": kind}
        first = client.events([event]).results[0]
        assert first.status in ("charged", "free")
        charged += first.charged_micros or 0
        again = [client.events([event]).results[0].status for _ in range(3)]
        proto = pb.EventsRequest(events=[pb.Event(**event), pb.Event(event_id="y", token="t", type=kind)])
        over_grpc = [result.status for result in ads.Events(proto, timeout=5).results]
        assert again == ["duplicate"] * 3
        assert over_grpc == ["duplicate", "unknown"]
    assert charged


def test_counters_of_both_replicas_add_up(client: AdsClient, server: Handle, bodies: list[Body]) -> None:
    def count() -> float:
        text = httpx.get(f"{server.url}/metrics").text
        lines = [line for line in text.splitlines() if line.startswith("adsrank_requests_total")]
        return sum(float(line.split()[-1]) for line in lines)

    before = count()
    for body in bodies[:20]:
        client.feed(body)
    assert count() == before + 20


def test_refusals_are_problems_over_http_and_statuses_over_grpc(
    server: Handle, ads: AdsStub, bodies: list[Body]
) -> None:
    answer = httpx.post(f"{server.url}/v1/feed", content=orjson.dumps({**bodies[0], "deadline_ms": 0}))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    wrong = message(bodies[0])
    wrong.deadline_ms = 0
    with pytest.raises(grpc.RpcError) as caught:
        ads.Feed(wrong, timeout=5)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details().startswith("invalid_request: deadline_ms: ")
    assert "Traceback" not in caught.value.details()
    assert httpx.post(f"{server.url}/v1/feed", content=b" " * 2_000_000).status_code == 413


def test_no_door_of_the_service_is_open_to_the_network(server: Handle) -> None:
    ours = _family(server.process.pid)
    listing = subprocess.run(["ss", "-ltnpH"], capture_output=True, text=True, check=True).stdout
    doors = [
        (line.split()[3], line.split()[-1])
        for line in listing.splitlines()
        if any(f"pid={pid}," in line for pid in ours)
    ]
    proxy = [local for local, users in doors if "haproxy" in users]
    assert len(proxy) >= 3
    assert [local for local in proxy if not local.startswith("127.")] == []
    # What Ray itself opens asks for the cluster's token; the replicas' own HTTP and gRPC ports do not.
    replica = [local for local, users in doors if "ServeRepl" in users and 20_000 <= _port(local) < 32_000]
    assert len(replica) >= 4
    assert [local for local in replica if "127.0.0.1" not in local] == []


def _port(local: str) -> int:
    return int(local.rpartition(":")[2])


def _family(pid: int) -> set[int]:
    family, frontier = {pid}, [pid]
    while frontier:
        listing = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(frontier.pop())], capture_output=True, text=True, check=False
        ).stdout
        new = {int(word) for word in listing.split()} - family
        family |= new
        frontier += new
    return family


@pytest.mark.parametrize(
    ("peer", "local"),
    [
        ("ipv4:127.0.0.1:5123", True),
        ("ipv6:%5B::1%5D:5123", True),
        ("ipv6:[::ffff:127.0.0.1]:80", True),
        ("unix:/run/x.sock", True),
        ("ipv4:192.0.2.7:5123", False),
        ("ipv6:[2001:db8::1]:80", False),
        ("nonsense", False),
        ("", False),
    ],
)
def test_only_this_machines_peers_are_let_in(peer: str, local: bool) -> None:
    assert from_this_machine(peer) is local


def _replicas(server: Handle) -> set[int]:
    found = set()
    for pid in _family(server.process.pid):
        with suppress(OSError):  # It may have ended since it was listed.
            if b"ServeReplica" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.add(pid)
    return found


def test_a_killed_replica_is_replaced_and_no_feed_is_lost(
    client: AdsClient, server: Handle, bodies: list[Body]
) -> None:
    before = _replicas(server)
    assert len(before) == 2
    os.kill(min(before), signal.SIGKILL)
    answered = asked = 0
    end = time.monotonic() + 90
    while len(_replicas(server) - {min(before)}) < 2:
        assert time.monotonic() < end, "no replica came in its place"
        for body in bodies[:10]:
            response = client.feed(body)
            organic = [entry.id for entry in response.feed if entry.type == "organic"]
            assert organic == [item["id"] for item in body["organic"]]
            asked += 1
            answered += response.degraded is None
    assert answered > asked // 2, "the replica that was left does not carry on"
    assert {client.feed(body).degraded for body in bodies} == {None}
