"""What each block of the ranking is worth: switched off in turn, on the built-in market's known truth.

Every variant is trained on the same log and then decides the same requests with the same auction. What its
feeds really earn is not drawn but computed: each price times the truth's exposure and probability of the
billable event. Differences are of the same requests and seeds, with bootstrap intervals over requests.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from multiprocessing import get_context
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from adsrank.catalog.catalog import Catalog
from adsrank.catalog.file import parse_entity
from adsrank.catalog.freezer import freeze_catalog
from adsrank.data.advertise import advertise
from adsrank.data.builtin import generate
from adsrank.data.history import history
from adsrank.data.traffic import requests
from adsrank.data.truth import Truth
from adsrank.engine import Engine
from adsrank.features.spec import FeatureSpec
from adsrank.models.bundle import Bundle
from adsrank.models.probabilities import JOINT, Probabilities
from adsrank.release import Release
from adsrank.request import AdRequest
from adsrank.retrieval.retriever import Retriever
from adsrank.settings import EngineSettings
from adsrank.training.config import TrainConfig
from adsrank.training.train import train
from auction.billable import event_probability
from auction.budget import OpenBudgets
from auction.cores import usable_cores
from auction.frequency import FrequencyCounter
from benchmarks.actions import with_actions
from benchmarks.row import Row
from serving.demo.policy import DEMO_POLICY

SEED = 23
SEEDS = (7, 8, 9)
"""Of training: one run's luck is as large as what most blocks are worth."""
ADS, USERS, IMPRESSIONS, REQUESTS = 4_000, 2_000, 150_000, 500
REPLICATES = 1_000


@dataclass(frozen=True, slots=True)
class Variant:
    """The whole ranking, or all of it but one block."""

    name: str
    config: Callable[[TrainConfig], TrainConfig] = lambda config: config
    sequence: bool = True
    calibrated: bool = True


ACTIONS = 100
"""Of a user's last ones."""


def _model(**changes: Any) -> Callable[[TrainConfig], TrainConfig]:
    return lambda config: config.model_copy(update={"model": config.model.model_copy(update=changes)})


def _train(**changes: Any) -> Callable[[TrainConfig], TrainConfig]:
    return lambda config: config.model_copy(update=changes)


WHOLE = Variant("everything")
VARIANTS = (
    WHOLE,
    Variant("without the sequence", sequence=False),
    Variant("without the entire-space loss", config=_train(entire_space=0.0)),
    Variant("without towers by surface", config=_model(surface_tower=0)),
    Variant("without request x ad products", config=_model(products=False)),
    Variant("with one expert for all tasks", config=_model(mixture="shared_bottom", experts=1)),
    Variant("without position and gap", config=_train(learn_exposure=False)),
    Variant("without calibration", calibrated=False),
)


class Raw(Probabilities):
    """The network's own probabilities, as they are."""

    def transform(self, raw: Any) -> dict[str, np.ndarray]:
        joint = {JOINT: raw["click"] * raw["conversion_given_click"]}
        return {f"p_{head}": np.clip(p, 1e-7, 1 - 1e-7) for head, p in {**raw, **joint}.items()}


@dataclass(frozen=True, slots=True)
class Market:
    """A log to train on, and requests to decide."""

    truth: Truth
    table: pa.Table
    release: Callable[[Bundle], Release]
    stream: list[AdRequest]
    space: str


@cache
def market() -> Market:
    """Made once a process."""
    world = generate(SEED, users=USERS, pins=8_000)
    opens = datetime.fromtimestamp(world.epoch, UTC)
    rows = advertise(world, SEED, advertisers=ADS // 20, ads=ADS, start=opens)
    truth = Truth(world, rows, SEED)
    entities = [parse_entity(row) for row in rows]
    snapshot = freeze_catalog(Catalog.of([each for each in entities if not isinstance(each, list)]))
    retriever = Retriever.of(snapshot)
    return Market(
        truth,
        history(truth, SEED, opens, impressions=IMPRESSIONS),
        lambda bundle: Release(DEMO_POLICY, bundle, snapshot, retriever),
        list(requests(world, SEED + 1, opens, 24.0, REQUESTS)),
        world.embedding_space,
    )


@dataclass(frozen=True, slots=True)
class Earned:
    """Columns [requests] of one variant and seed, and its figures on the log's later rows."""

    revenue: np.ndarray
    """Micros that the shown ads really earn."""
    predicted: np.ndarray
    """Clicks that the winners were said to get,"""
    expected: np.ndarray
    """and those that they really get."""
    entropy: dict[str, float]


def earn(variant: Variant, seed: int) -> Earned:
    """Train, decide every request, and ask the truth what its feed earns."""
    found = market()
    base = TrainConfig(seed=seed, embedding_space=found.space)
    config = variant.config(_model(surface_tower=8)(base))
    trained = train(found.table, with_actions(ACTIONS) if variant.sequence else FeatureSpec.default(), config)
    bundle = trained.bundle
    figure = "normalized_entropy" if variant.calibrated else "normalized_entropy_raw"
    entropy = {
        head: trained.report["heads"][head][figure] for head in ("click", "conversion_given_click", JOINT)
    }
    if not variant.calibrated:
        bundle = Bundle(
            bundle.manifest,
            bundle.transform,
            bundle.network,
            Raw(bundle.probabilities.calibrators_),
            bundle.first_stage,
            bundle.sample,
        )
    engine = Engine(
        found.release(bundle), OpenBudgets(), FrequencyCounter(), EngineSettings(deadline_ms=10_000)
    )
    columns = np.array([_of_request(engine, request, found.truth) for request in found.stream])
    return Earned(columns[:, 0], columns[:, 1], columns[:, 2], entropy)


def _of_request(engine: Engine, request: AdRequest, truth: Truth) -> tuple[float, float, float]:
    """Revenue in micros, clicks predicted, clicks expected, of one decided feed."""
    decision = engine.decide(request)
    ads = decision.ads
    if not ads:
        return 0.0, 0.0, 0.0
    slate = decision.record.slate
    place = {int(ad_id): entry for entry, ad_id in enumerate(slate.ad_id)}
    said = slate.p_click[[place[ad.ad_id] for ad in ads]]
    position = np.array([ad.position for ad in ads])
    before = request.positions_since_ad
    gap = np.diff(position, prepend=position[0] - (before + position[0] if before >= 0 else 0))
    seen = truth.law.exposure.of(position, gap)
    chances = truth.chances(truth.context(request, [ad.ad_id for ad in ads]))
    bought = chances.click * chances.conversion_given_click
    event = event_probability(
        np.array([ad.billable for ad in ads], np.int8), chances.click, bought, np.zeros(len(ads))
    )
    price = np.array([ad.price_micros for ad in ads], np.float64)
    exposure = np.array([ad.exposure for ad in ads])
    return float(price @ (seen * event)), float(exposure @ said), float(seen @ chances.click)


def rows() -> Iterator[Row]:
    """Figures of the whole, and what each block's absence costs."""
    jobs = [(variant, seed) for variant in range(len(VARIANTS)) for seed in SEEDS]
    # A process each: what is learned depends on the thread count, and one thread is what a seed fixes.
    with ProcessPoolExecutor(usable_cores(), get_context("spawn"), _one_thread) as pool:
        found = list(pool.map(_earn, jobs))
    by_variant = [found[k : k + len(SEEDS)] for k in range(0, len(found), len(SEEDS))]
    for variant, earned in zip(VARIANTS, by_variant, strict=True):
        yield from _figures(variant, earned, by_variant[0])


def _one_thread() -> None:
    torch.set_num_threads(1)


def _earn(job: tuple[int, int]) -> Earned:
    return earn(VARIANTS[job[0]], job[1])


def _figures(variant: Variant, found: list[Earned], whole: list[Earned]) -> Iterator[Row]:
    name = variant.name
    for head in whole[0].entropy:
        each, base = (np.array([one.entropy[head] for one in side]) for side in (found, whole))
        yield Row(f"{name}: normalized entropy of {head}, later rows", float(each.mean()), "")
        if variant is not WHOLE:
            cost = each - base
            yield Row(f"{name}: what that is more", float(cost.mean()), head)
            yield Row(f"{name}: its standard error over seeds", float(_error(cost)), head)
    pcoc = _ratio(_mean(found, "predicted"), _mean(found, "expected"))
    for end, value in zip(("", ", lower end", ", upper end"), pcoc, strict=True):
        yield Row(f"{name}: PCOC of clicks on winners, against the truth{end}", value, "")
    revenue, base = _mean(found, "revenue"), _mean(whole, "revenue")
    yield Row(f"{name}: revenue of a thousand requests", float(revenue.mean()) / 1e3, "units")
    if variant is not WHOLE:
        for end, value in zip(("", ", lower end", ", upper end"), _ratio(revenue, base), strict=True):
            yield Row(f"{name}: change of revenue{end}", 100 * (value - 1), "%")


def _mean(found: list[Earned], column: str) -> np.ndarray:
    """A column [requests], averaged over seeds."""
    mean: np.ndarray = np.mean([getattr(each, column) for each in found], axis=0)
    return mean


def _error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")


def _ratio(above: np.ndarray, below: np.ndarray) -> tuple[float, float, float]:
    """Sum of `above` over sum of `below`, and the middle 95 % of its bootstrap over requests."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(above), (REPLICATES, len(above)))
    ratios = above[drawn].sum(1) / below[drawn].sum(1)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return float(above.sum() / below.sum()), float(low), float(high)
