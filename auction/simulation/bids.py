"""Bid landscapes from the log: the campaign's auctions held again at other bids."""

import difflib
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from auction.bid import BID_LIMIT
from auction.billable import event_probability
from auction.errors import InputError
from auction.log.decisions import Decisions
from auction.log.events import read_events
from auction.log.reader import DecisionLog
from auction.policy import AuctionPolicy
from auction.replay.again import decide_again, policy_groups
from auction.replay.bootstrap import BUCKETS, METHOD, buckets_of, interval
from auction.replay.interval import Interval
from auction.replay.replay import Progress
from auction.simulation.landscape import BidRow, Landscape
from auction.slate import Int64

MULTIPLIERS = (0.25, 0.4, 0.55, 0.7, 0.85, 1.0, 1.15, 1.3, 1.6, 2.0, 3.0, 4.0)
MAX_ROWS = 100
NOT_COUNTED = ("invalid", "unknown", "expired")
"""Statuses of events that count for nothing: forged, of no placement, or after the token's time."""

SCORES = ("billable", "p_click", "p_click_conversion", "p_view")
METRICS = ("placements", "impressions", "clicks", "cost_micros", "conversions")

NOTES = (
    "All else is as logged: other bids, pacing multipliers, budgets, the model's probabilities.",
    "Other advertisers do not react, and what the campaign spends does not run out its own budget or "
    "free theirs: a row far above the logged spend needs a simulation with coupled budgets.",
    "Auctions in which the campaign was cut before the auction (targeting, first-stage ranker, budget, "
    "pacing, frequency) are not in the slates and not in any row.",
    "For a campaign with several ads in one auction, a higher bid can move a slot between its own ads.",
)


def landscape(
    log: DecisionLog | str | Path,
    campaign_id: int,
    multipliers: Sequence[float] | None = None,
    *,
    bids_micros: Sequence[int] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Landscape:
    """Hold every auction with a candidate of the campaign again at each bid.

    Args:
        log: the log, or its folder; its events give the average order value.
        campaign_id: the campaign; auctions it lost count, for whatever reason inside the auction.
        multipliers: factors on the logged bids; `MULTIPLIERS` by default.
        bids_micros: instead, bids that all ads of the campaign make, per event that is bid for (`goal`).
        seed: of the bootstrap's resamples.

    Raises:
        InputError: no auction with the campaign (names campaigns of the log with near ids), a bid or
            multiplier out of range, or an unreadable log (names the file).
    """
    log = log if isinstance(log, DecisionLog) else DecisionLog(log)
    scales = _scales(multipliers, bids_micros)
    sums = np.zeros((BUCKETS, len(scales), len(METRICS)))
    present = np.zeros(BUCKETS, np.bool_)
    bid_sums = np.zeros(len(scales))
    highest = np.zeros(len(scales), np.int64)
    auctions = candidates = logged_sum = logged_top = 0
    seen: set[int] = set()
    for batch in log.decisions():
        of_campaign = batch.slates.campaign_id == campaign_id
        if auctions == 0:
            seen.update(np.unique(batch.slates.campaign_id).tolist())
        taken = np.flatnonzero((batch.count(of_campaign) > 0) & batch.held)
        for policy_hash, rows in policy_groups(batch.take(taken)):
            own = rows.slates.campaign_id == campaign_id
            bids = rows.slates.bid_micros
            auctions += len(rows)
            candidates += int(own.sum())
            logged_sum += int(bids[own].sum())
            logged_top = max(logged_top, int(bids[own].max()))
            group = buckets_of(rows.user_id, rows.request_id)
            present[group] = True
            for at, scale in enumerate(scales):
                tried = np.where(own, scale.of(bids), bids)
                bid_sums[at] += float(tried[own].sum())
                highest[at] = max(highest[at], tried[own].max())
                gained = _gained(rows.bidding(tried), own, log.policy(policy_hash))
                np.add.at(sums[:, at], group, gained)
        if progress is not None:
            progress(len(batch))
    if auctions == 0:
        raise InputError("campaign_id", campaign_id, _near(campaign_id, seen))
    orders, order_value = _order_value(log.folder, campaign_id)
    low, high = interval(sums, present, np.random.default_rng(seed))
    totals = sums.sum(axis=0)
    rows_out = [
        _row(
            scale,
            totals[at],
            low[at],
            high[at],
            bid_sums[at] / candidates,
            order_value,
            highest[at] > logged_top,
        )
        for at, scale in enumerate(scales)
    ]
    return Landscape(
        log=str(log.folder),
        campaign_id=campaign_id,
        auctions=auctions,
        logged_bid_micros=round(logged_sum / candidates),
        order_value_micros=order_value,
        orders=orders,
        rows=tuple(rows_out),
        method=METHOD,
        notes=NOTES,
    )


class _Scale:
    """One row's rule: logged bids to the bids that are tried."""

    def __init__(self, multiplier: float | None, bid_micros: int | None) -> None:
        self.multiplier, self.bid_micros = multiplier, bid_micros

    def of(self, bids: Int64) -> Int64:
        """Whole micros; exact at a multiplier of 1."""
        if self.multiplier is None:
            return np.full(len(bids), self.bid_micros, np.int64)
        if self.multiplier == 1.0:
            return bids
        scaled: Int64 = np.minimum(np.rint(bids * self.multiplier), BID_LIMIT).astype(np.int64)
        return scaled


def _scales(multipliers: Sequence[float] | None, bids: Sequence[int] | None) -> list[_Scale]:
    if multipliers is not None and bids is not None:
        raise InputError("bids_micros", list(bids), "give multipliers or bids, not both")
    name = "multipliers" if bids is None else "bids_micros"
    values: Sequence[float] = (
        bids if bids is not None else MULTIPLIERS if multipliers is None else multipliers
    )
    if not 1 <= len(values) <= MAX_ROWS:
        raise InputError(name, f"{len(values)} values", f"between 1 and {MAX_ROWS}")
    for at, value in enumerate(values):
        if bids is not None and (isinstance(value, bool) or not isinstance(value, int | np.integer)):
            raise InputError(f"{name}[{at}]", value, "give whole micros")
        if not math.isfinite(value) or not 0 <= value <= (BID_LIMIT if bids is not None else 1000):
            raise InputError(f"{name}[{at}]", value, "give a finite value, not negative, in range")
    rising = sorted(set(values))
    if bids is not None:
        return [_Scale(None, int(value)) for value in rising]
    return [_Scale(float(value), None) for value in rising]


def _gained(rows: Decisions, own: npt.NDArray[np.bool_], policy: AuctionPolicy) -> npt.NDArray[np.float64]:
    """What the campaign gets of each auction, float64 [m, len(METRICS)]."""
    results = decide_again(rows, policy)
    entry = np.flatnonzero(own & (results.position > 0))
    owner = rows.decision_of(entry)
    look = results.exposure[entry]
    ads = {name: getattr(rows.slates, name)[entry] for name in SCORES}
    event = event_probability(ads["billable"], ads["p_click"], ads["p_click_conversion"], ads["p_view"])
    each = (
        np.ones(len(entry)),
        look,
        look * ads["p_click"],
        look * event * results.price_micros[entry],
        look * ads["p_click_conversion"],
    )
    return np.stack([np.bincount(owner, values, len(rows)) for values in each], axis=1)


def _order_value(folder: Path, campaign_id: int) -> tuple[int, float | None]:
    """Orders observed for the campaign, each event id once, and their average value in micros."""
    values: dict[str, int] = {}
    for table in read_events(folder):
        kept = (table.column("campaign_id").to_numpy() == campaign_id) & (
            table.column("type").to_numpy() == "conversion"
        )
        kept &= table.column("value_micros").to_numpy() > 0
        kept &= ~np.isin(table.column("status").to_numpy(), NOT_COUNTED)
        picked = table.filter(kept)
        for event_id, value in zip(
            picked.column("event_id").to_pylist(), picked.column("value_micros").to_pylist(), strict=True
        ):
            values[event_id] = value
    return len(values), sum(values.values()) / len(values) if values else None


def _row(
    scale: _Scale,
    total: npt.NDArray[np.float64],
    low: npt.NDArray[np.float64],
    high: npt.NDArray[np.float64],
    mean_bid: float,
    order_value: float | None,
    extrapolated: bool,
) -> BidRow:
    def ends(name: str) -> Interval:
        at = METRICS.index(name)
        return Interval.of(low[at], high[at])

    placements, impressions, clicks, cost, conversions = total.tolist()
    return BidRow(
        multiplier=scale.multiplier,
        bid_micros=round(mean_bid),
        placements=round(placements),
        impressions=impressions,
        clicks=clicks,
        cost_micros=cost,
        conversions=conversions,
        value_micros=None if order_value is None else conversions * order_value,
        impressions_interval=ends("impressions"),
        clicks_interval=ends("clicks"),
        cost_interval=ends("cost_micros"),
        conversions_interval=ends("conversions"),
        extrapolated=bool(extrapolated),
    )


def _near(campaign_id: int, seen: set[int]) -> str:
    if not seen:
        return "the log holds no auction with any campaign"
    known = sorted(seen)
    near = difflib.get_close_matches(str(campaign_id), [str(one) for one in known], n=3, cutoff=0.6)
    near = near or [str(one) for one in sorted(known, key=lambda one: abs(one - campaign_id))[:3]]
    return f"it took part in no auction of the log; near ids that did: {', '.join(near)}"
