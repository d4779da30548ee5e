"""What late conversions cost, and how much of it is won back: in a market of known truth, and on real delays.

The gap is between a model trained on labels as they stand (naive: a click that may still convert counts
as a failure) and one trained on the labels one would have after waiting (oracle). Share closed: how far
a way of dealing with late conversions goes from the first to the second.

    adsrank bench delay
"""

import os
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import torch
from scipy import stats

from benchmarks import delay_market, delay_talkingdata
from benchmarks.row import Row

SEEDS = tuple(range(1, 13))
IMPRESSIONS = 400_000
BOOTSTRAPS = 40


def rows() -> Iterator[Row]:
    """Figures of the market, of the network in it, and of TalkingData where the sample is there."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield from market_rows()
        yield from network_rows()
        if delay_talkingdata.SAMPLE.is_file():
            yield from talkingdata_rows()
    finally:
        torch.set_num_threads(threads)


def market_rows(seeds: tuple[int, ...] = SEEDS, impressions: int = IMPRESSIONS) -> Iterator[Row]:
    """Logistic regressions, on each market."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for seed in seeds:
        for name, excess, pcoc in delay_market.linear(delay_market.Late.draw(seed, impressions)):
            found[name].append((excess, pcoc))
    yield from _shares("logistic regression", found)


def network_rows(seeds: tuple[int, ...] = SEEDS[:4], impressions: int = IMPRESSIONS) -> Iterator[Row]:
    """The engine's network, on all ads shown."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for seed in seeds:
        for name, excess, pcoc in delay_market.network(delay_market.Late.draw(seed, impressions)):
            found[name].append((excess, pcoc))
    yield from _shares("network", found)


def _shares(model: str, found: dict[str, list[tuple[float, float]]]) -> Iterator[Row]:
    excess = {name: np.array([one for one, _ in values]) for name, values in found.items()}
    count = len(excess["naive"])
    for name, values in found.items():
        yield Row(f"market, {model}, {name}: PCOC", float(np.mean([pcoc for _, pcoc in values])), "")
        if name in ("naive", "oracle"):
            yield Row(f"market, {model}, {name}: excess log loss", float(excess[name].mean()), "nats")
            continue
        share, half = ratio(excess["naive"] - excess[name], excess["naive"] - excess["oracle"])
        best = ">= 0.7" if name == "delayed_feedback" else None
        label = f"market, {model}, {name}: share of the gap closed"
        yield Row(f"{label}, {count} markets", share, "", best)
        yield Row(f"{label}, 95 % interval, low", share - half, "")
        yield Row(f"{label}, 95 % interval, high", share + half, "")


def ratio(won: np.ndarray, gap: np.ndarray) -> tuple[float, float]:
    """Sum of `won` over sum of `gap`, [n] a market, and half of its 95 % interval (delta method, t law).

    A mean of shares would give a market with next to no gap the loudest voice.
    """
    share = float(won.sum() / gap.sum())
    error = (won - share * gap).std(ddof=1) / (np.sqrt(len(gap)) * gap.mean())
    return share, float(stats.t.ppf(0.975, len(gap) - 1) * error)


def talkingdata_rows(bootstraps: int = BOOTSTRAPS) -> Iterator[Row]:
    """What 227 installs can show: the level, and how little of the log loss."""
    clicks = delay_talkingdata.Installs.read()
    label = clicks.feedback.conversion
    for title, verb, count in (
        ("level and slope on the newest 6 hours", delay_talkingdata.level, bootstraps),
        ("all categories, all clicks so far", delay_talkingdata.full, 0),
    ):
        found = verb(clicks)
        drawn = delay_talkingdata.resampled(clicks, verb, count, 0)
        scored = ~np.isnan(found["oracle"])
        for name, said in found.items():
            value = float(said[scored].sum() / label[scored].sum())
            yield Row(f"TalkingData, {title}, {name}: PCOC", value, "")
        for name in ("importance", "delayed_feedback"):
            text = f"TalkingData, {title}, {name}: share of the gap in level closed"
            best = ">= 0.7" if name == "delayed_feedback" else None
            yield Row(text, _level_closed(found, name), "", best)
            if drawn:
                shares = [_level_closed(one, name) for one in drawn]
                low, high = np.quantile(shares, [0.025, 0.975]).tolist()
                yield Row(f"{text}, 95 % interval of bootstrap logs, low", low, "")
                yield Row(f"{text}, 95 % interval of bootstrap logs, high", high, "")
            closed = _loss_closed(found, label, name)
            text = f"TalkingData, {title}, {name}: share of the gap in log loss closed"
            yield Row(text, float(closed[0]), "")
            yield Row(f"{text}, 95 % interval of scored clicks, low", float(closed[1]), "")
            yield Row(f"{text}, 95 % interval of scored clicks, high", float(closed[2]), "")


def _level_closed(found: dict[str, np.ndarray], name: str) -> float:
    """1 - |level - oracle's| / |naive's - oracle's|: passing it counts as falling short of it."""
    total = {key: float(np.nansum(said)) for key, said in found.items()}
    return 1 - abs(total[name] - total["oracle"]) / abs(total["naive"] - total["oracle"])


def _loss_closed(found: dict[str, np.ndarray], label: np.ndarray, name: str) -> np.ndarray:
    """Share of the gap in log loss, and the middle 95 % of its bootstrap over the clicks scored."""
    scored = ~np.isnan(found["oracle"])
    y = label[scored]
    loss = {
        key: -(y * np.log(said[scored]) + (1 - y) * np.log1p(-said[scored])) for key, said in found.items()
    }
    won, gap = loss["naive"] - loss[name], loss["naive"] - loss["oracle"]
    rng = np.random.default_rng(0)
    n = len(y)
    shares = []
    for _ in range(400):
        weight = np.bincount(rng.integers(0, n, n), minlength=n)
        shares.append((weight @ won) / (weight @ gap))
    return np.array([won.sum() / gap.sum(), *np.quantile(shares, [0.025, 0.975])])
