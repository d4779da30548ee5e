"""What the first stage's cut costs the auction: winners of the whole decision that survive it.

Each request of the built-in market is decided again and again by the real engine: with every candidate
scored by the heavy model, and with the cut by either first stage, distilled from that same model, to the
200 of the shipped settings and to fewer; beside them a cut by the bid alone. A winner is an ad of the feed
that the whole decision shows. Intervals are bootstraps over requests; where no request lost a winner, the
lower end is what so many requests can say of the share that would.

    adsrank bench first_stage
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from time import thread_time

import numpy as np
import torch

from adsrank.catalog.catalog import Catalog
from adsrank.catalog.file import parse_entity
from adsrank.catalog.freezer import freeze_catalog
from adsrank.data.advertise import advertise
from adsrank.data.builtin import generate
from adsrank.data.history import history
from adsrank.data.traffic import requests
from adsrank.data.truth import Truth
from adsrank.decision import Decision
from adsrank.engine import Engine
from adsrank.features.batch import FeatureBatch
from adsrank.models.bundle import Bundle
from adsrank.release import Release
from adsrank.request import AdRequest
from adsrank.retrieval.retriever import Retriever
from adsrank.settings import EngineSettings
from adsrank.training.config import FirstStageConfig, TrainConfig
from adsrank.training.first_stage import fit_first_stage
from adsrank.training.train import train
from auction.budget import OpenBudgets
from auction.frequency import FrequencyCounter
from auction.reason import Reason
from benchmarks.row import Row
from serving.demo.policy import DEMO_POLICY

SEED = 5
ADS, IMPRESSIONS, REQUESTS, EPOCHS = 20_000, 120_000, 300, 3
CUTS, ALL = (200, 100, 50, 25), 10_000
KINDS = ("xgboost", "two_tower")


def rows() -> Iterator[Row]:
    """Recall of winners, feeds unchanged, charges kept, and time, of both kinds."""
    torch.set_num_threads(1)
    release, stages, stream = market()
    whole = [decide(release, request, ALL) for request in stream]
    came = [next(stage.came for stage in decision.stages if stage.name == "rank") for decision in whole]
    yield Row("candidates a request, mean", float(np.mean(came)), "ads")
    yield Row("winners a request, mean", float(np.mean([len(decision.ads) for decision in whole])), "ads")
    for kind, bundle in stages.items():
        other = Release(release.policy, bundle, release.snapshot, release.retriever)
        for kept in CUTS:
            cut = [decide(other, request, kept) for request in stream]
            reach = ">= 0.95" if kept == CUTS[0] and kind != BidAlone.kind else None
            yield from compared(f"{kind}, cut to {kept}", whole, cut, reach)
        if kind != BidAlone.kind:
            yield from timed(kind, bundle)


def market(
    ads: int = ADS, impressions: int = IMPRESSIONS, count: int = REQUESTS, epochs: int = EPOCHS
) -> tuple[Release, dict[str, Bundle], list[AdRequest]]:
    """A release, its bundle behind each kind of first stage, and requests of the day after the log."""
    world = generate(SEED, users=2000, pins=max(8000, ads))
    opens = datetime.fromtimestamp(world.epoch, UTC)
    entities = advertise(world, SEED, advertisers=max(20, ads // 40), ads=ads, start=opens)
    table = history(Truth(world, entities, SEED), SEED, opens, impressions=impressions)
    trained = train(table, config=TrainConfig(epochs=epochs, embedding_space=world.embedding_space))
    bundle = trained.bundle
    known = bundle.prepare(table.slice(0, trained.report["split"]["train"]["rows"]))
    stages = {}
    for kind in KINDS:
        draws = np.random.Generator(np.random.PCG64([SEED, 1]))
        config = FirstStageConfig(kind=kind)
        stage = fit_first_stage(bundle.transform, bundle.network, known, config, draws)
        stages[kind] = bundle.with_first_stage(stage)
    parts = bundle.manifest, bundle.transform, bundle.network, bundle.probabilities
    stages[BidAlone.kind] = Bundle(*parts, BidAlone(), bundle.sample)
    parsed = [parse_entity(row) for row in entities]
    snapshot = freeze_catalog(Catalog.of([each for each in parsed if not isinstance(each, list)]))
    release = Release(DEMO_POLICY, bundle, snapshot, Retriever.of(snapshot))
    return release, stages, list(requests(world, SEED + 1, opens, 24.0, count))


class BidAlone:
    """Every ad's click as likely: the cut that knows nothing but the bid."""

    kind = "bid alone"

    def score(self, batch: FeatureBatch) -> np.ndarray:
        return np.full(len(batch), 0.05)

    def tensors(self) -> dict[str, np.ndarray]:
        return {}

    def to_json(self) -> None:
        return None


def decide(release: Release, request: AdRequest, rank: int) -> Decision:
    """One decision that remembers nothing of those before it."""
    settings = EngineSettings(rank=rank, deadline_ms=10_000)
    decision = Engine(release, OpenBudgets(), FrequencyCounter(1_000), settings).decide(request)
    assert not decision.degraded, decision.degraded
    return decision


def compared(name: str, whole: list[Decision], cut: list[Decision], reach: str | None) -> Iterator[Row]:
    """Rows of one kind at one cut."""
    won = np.array([len(decision.ads) for decision in whole])
    kept = np.array([len(survivors(*pair)) for pair in zip(whole, cut, strict=True)])
    same = np.array([feed(one) == feed(other) for one, other in zip(whole, cut, strict=True)])
    charges = np.array(
        [[sum(ad.expected_charge_micros for ad in d.ads) for d in decisions] for decisions in (cut, whole)]
    )
    recall, low, high = ratio(kept, won)
    if recall == 1.0:
        low = 0.025 ** (1 / len(won))  # Clopper-Pearson, each request a trial that may lose all it won
    yield Row(f"{name}: recall of final winners", recall, "", reach)
    yield Row(f"{name}: recall of final winners, 95 % interval from", low, "", reach)
    yield Row(f"{name}: recall of final winners, 95 % interval to", high, "")
    yield Row(f"{name}: feeds unchanged", 100 * float(same.mean()), "%")
    left = float(charges[0].sum() / charges[1].sum())
    yield Row(f"{name}: expected charges, of those without a cut", left, "")


def survivors(whole: Decision, cut: Decision) -> set[int]:
    """Winners of `whole` that the first stage of `cut` let through."""
    gone = {
        int(ad)
        for left in cut.record.departures
        if left.reason == Reason.PRERANK
        for ad in np.atleast_1d(left.ad_id)
    }
    return {ad.ad_id for ad in whole.ads} - gone


def feed(decision: Decision) -> list[tuple[int, int]]:
    return [(ad.position, ad.ad_id) for ad in decision.ads]


def ratio(over: np.ndarray, under: np.ndarray, replicates: int = 2000) -> tuple[float, float, float]:
    """Sum over sum, and the middle 95 % of its bootstrap over requests."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(under), (replicates, len(under)))
    found = over[drawn].sum(1) / under[drawn].sum(1)
    low, high = np.quantile(found, [0.025, 0.975])
    return float(over.sum() / under.sum()), float(low), float(high)


def timed(kind: str, bundle: Bundle, candidates: int = 1000, repeat: int = 200) -> Iterator[Row]:
    """Processor time of the first stage alone, features ready."""
    sample = bundle.prepare(bundle.sample.columns)
    batch = sample.take(np.resize(np.arange(len(sample)), candidates))
    batch = type(batch)(batch.request.take(np.array([0])), batch.ad)
    taken = []
    for _ in range(repeat):
        begin = thread_time()
        bundle.prerank(batch)
        taken.append(1e3 * (thread_time() - begin))
    yield Row(f"{kind}: {candidates} candidates, processor time p50", float(np.median(taken)), "ms", "<= 1.5")
