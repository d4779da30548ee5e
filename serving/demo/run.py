"""The whole path once: make a market, train, serve a day of it, settle, replay, report."""

import asyncio
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import numpy as np
import yaml

from adsrank.catalog.file import read_catalog
from adsrank.catalog.store import Store
from adsrank.data.market import Market, make
from adsrank.data.market_folder import CATALOG, EXAMPLES, write_market
from adsrank.data.traffic import requests
from adsrank.errors import InputError
from adsrank.models.bundle import Bundle
from adsrank.settings import EngineSettings
from adsrank.training.config import TrainConfig
from adsrank.training.run import run as train
from auction.day import LIFETIME
from auction.log.reader import DecisionLog
from auction.reason import Reason
from auction.replay import ReplayReport, replay
from serving.client import AsyncAdsClient
from serving.demo.policy import DEMO_POLICY
from serving.demo.traffic import Drive, Traffic
from serving.demo.winners import Winners
from serving.launch import Handle, launch
from serving.ledger import Ledger
from serving.renewer import LeaseSettings
from serving.settings import ServingSettings

MARKER = "demo.json"
DAY_HOURS = 24.0
HELD_SHARE = 0.03
"""Share of the day's requests whose mixer holds positions."""


class Advance(Protocol):
    def __call__(self, done: float, total: float | None = None, note: str = "") -> None: ...


Bars = Callable[[str, float | None], AbstractContextManager[Advance]]


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """Sizes of a demo, and where it goes."""

    out: Path
    seed: int = 7
    data: Path | None = None
    """Pinterest user-pin data; None: the built-in market."""
    requests: int = 2000
    impressions: int = 200_000
    """Rows of the training table."""


@dataclass(slots=True)
class DemoResult:
    """Everything the demo saw."""

    plan: DemoPlan
    market: Market
    training: dict[str, Any]
    start_s: float
    proxy: str
    traffic: Traffic
    traffic_s: float
    money: dict[str, int]
    budgets: list[tuple[int, int, int]]
    """(campaign, limit, spent) of the served day."""
    winners: Winners
    labels: dict[str, np.ndarray]
    reasons: dict[str, int]
    replay: ReplayReport
    learned_examination: list[float]

    def to_json(self) -> dict[str, Any]:
        """The figures, as `adsrank demo --json` prints them."""
        seen, latency = self.traffic, np.array(self.traffic.latency_ms)
        pcoc = self.winners.pcoc(self.labels)
        return {
            "market": counts(self.market),
            "training": self.training,
            "server": {"start_s": self.start_s, "proxy": self.proxy},
            "requests": len(latency),
            "requests_per_s": len(latency) / self.traffic_s,
            "latency_ms": {
                "p50": float(np.percentile(latency, 50)),
                "p99": float(np.percentile(latency, 99)),
            },
            "degraded": dict(seen.degraded),
            "fill": seen.with_ads / len(latency),
            "ads_per_feed": seen.ads / len(latency),
            "events": {f"{kind}.{status}": n for (kind, status), n in sorted(seen.events.items())},
            **self.money,
            "pcoc_winners": pcoc["click"]["pcoc"],
            "pcoc_winners_by_head": pcoc,
            "reasons": self.reasons,
            "replay": {"decisions": self.replay.decisions, "differences": self.replay.differences},
        }


def run_demo(plan: DemoPlan, bars: Bars) -> DemoResult:
    """Run it; `plan.out` is replaced if an earlier demo made it.

    Raises:
        InputError: data that cannot be read, or an output folder that is something else's.
        LaunchError: the server did not start.
    """
    _clear(plan.out)
    # Kernels compile once a checkout, a minute or two: on the core that training leaves idle.
    compiling = subprocess.Popen([sys.executable, "-m", "auction.warm"])
    with bars("market", 2) as advance:
        # Budgets are set for the traffic that will come: some run out, some do not.
        market = make(plan.seed, plan.data, impressions=plan.impressions, requests_per_day=2 * plan.requests)
        advance(1)
        folder = write_market(plan.out / "market", market)
    settings = _settings(plan)
    settings.data.mkdir(parents=True)
    with bars("catalog", 2) as advance:
        catalog = read_catalog(folder / CATALOG)
        advance(1)
        with Store(settings.database_url) as store:
            store.apply(catalog)
    with bars("training", None) as advance:
        config = TrainConfig(seed=plan.seed, embedding_space=market.world.embedding_space)
        training = train(
            folder / EXAMPLES,
            settings.bundle_folder,
            config,
            progress=lambda stage, done, total: advance(done, total, stage),
        )
    policy = DEMO_POLICY.model_dump(mode="json")
    (settings.data / "policy.yaml").write_text(yaml.safe_dump(policy, sort_keys=False), encoding="utf-8")
    with bars("compiling the auction", None):
        compiling.wait()
    begin = perf_counter()
    with bars("starting the server", None):
        handle = launch(settings)
    start_s = perf_counter() - begin
    with handle:
        begin = perf_counter()
        with bars("a day of requests", plan.requests) as advance:
            traffic = asyncio.run(_drive(handle, market, plan, advance))
        traffic_s = perf_counter() - begin
        with bars("closing the server", None):
            handle.close()
    with bars("replay", None) as advance:
        verdict = replay(settings.log_folder)
    winners = Winners.read(settings.log_folder)
    budgets, money = _account(settings, market)
    return DemoResult(
        plan=plan,
        market=market,
        training=training,
        start_s=start_s,
        proxy=handle.proxy,
        traffic=traffic,
        traffic_s=traffic_s,
        money=money,
        budgets=budgets,
        winners=winners,
        labels=winners.labels(traffic.happened),
        reasons=_reasons(settings),
        replay=verdict,
        learned_examination=list(Bundle.load(settings.bundle_folder).exposure.examination),
    )


def counts(market: Market) -> dict[str, int]:
    """How many of each thing there are."""
    kinds = Counter(row["kind"] for row in market.rows)
    return {
        "interests": len(market.world.tree.node),
        "pins": len(market.world.pins.pin_id),
        "users": len(market.world.users.user_id),
        **{f"{kind}s": kinds[kind] for kind in ("account", "campaign", "ad_group", "ad")},
        "training_rows": market.examples.num_rows,
    }


async def _drive(handle: Handle, market: Market, plan: DemoPlan, advance: Advance) -> Traffic:
    stream = requests(market.world, plan.seed + 1, market.opens, DAY_HOURS, plan.requests)
    async with AsyncAdsClient(handle.url, timeout_s=2.0) as client:
        drive = Drive(client, market.truth(), held_share=HELD_SHARE)
        return await drive.run(stream, lambda done: advance(done, plan.requests))


def _settings(plan: DemoPlan) -> ServingSettings:
    """Simulated time runs a day in a minute: leases are renewed, and tokens live, accordingly."""
    return ServingSettings(
        data=plan.out / "serve",
        port=0,
        grpc_port=0,
        trust_request_time=True,
        token_ttl_s=7 * 86_400.0,
        engine=EngineSettings(deadline_ms=1000),
        lease=LeaseSettings(period_s=0.2, observe_s=60.0),
        flush_seconds=1.0,
    )


def _clear(out: Path) -> None:
    """Make `out` empty: only a folder that a demo made is ever removed."""
    if out.exists():
        if not (out / MARKER).is_file() and (not out.is_dir() or any(out.iterdir())):
            raise InputError("--out", str(out), "give a new or empty folder, or that of an earlier demo")
        shutil.rmtree(out)
    out.mkdir(parents=True)
    (out / MARKER).write_text("{}\n", encoding="utf-8")


def _account(settings: ServingSettings, market: Market) -> tuple[list[tuple[int, int, int]], dict[str, int]]:
    """The served day's budgets, and the sums over all campaigns, from the ledger."""
    campaigns = [row["id"] for row in market.rows if row["kind"] == "campaign"]
    ledger = Ledger(settings.database_url)
    try:
        balances = ledger.balances(campaigns)
        statements = [ledger.statement(campaign) for campaign in campaigns]
    finally:
        ledger.close()
    over = sum(max(0, balance.spent_micros - balance.limit_micros) for balance in balances)
    day = [(b.campaign_id, b.limit_micros, b.spent_micros) for b in balances if b.day != LIFETIME]
    return day, {
        "revenue_micros": sum(statement.charged_micros for statement in statements),
        "free_micros": sum(statement.free_micros for statement in statements),
        "over_budget_micros": over,
        "budget_micros": sum(limit for _, limit, _ in day),
        "campaigns_out_of_budget": sum(spent >= 0.98 * limit for _, limit, spent in day),
        "campaigns_with_spend": sum(spent > 0 for _, _, spent in day),
    }


def _reasons(settings: ServingSettings) -> dict[str, int]:
    """Candidates that are in no feed, by reason, over the whole log."""
    counts: Counter[str] = Counter()
    for table in DecisionLog(settings.log_folder).tables(["reason", "departures"]):
        codes = np.bincount(table.column("reason").combine_chunks().flatten().to_numpy().astype(np.int64))
        for code, number in enumerate(codes.tolist()):
            if number:
                counts[Reason(code).label] += number
        for departure in table.column("departures").combine_chunks().flatten().to_pylist():
            counts[Reason(departure["reason"]).label] += len(departure["ad_id"])
    return dict(counts)
