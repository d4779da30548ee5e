"""The best bid of every ad against all others as they bid: by walking its steps, not by guessing.

Lowering one bid, an ad goes down the steps of its allocation curve. The second price names the foot of the
step it stands on (the smallest bid that keeps the slot), so the micro below it is the head of the next
step. Heads and feet of all steps are tried under every pricing rule: a price that depends on the slot
alone is the same over a step, and a price that rises with the bid is lowest at the foot.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from auction.auction import hold_auctions
from auction.audit.stake import Stakes, paced, stakes
from auction.batch import SlateBatch, entries_of
from auction.policy import AuctionPolicy, Pricing
from auction.slate import Float64, Int64

GRID = (0.5, 0.75, 0.9, 1.1, 1.5, 3.0)
"""Also tried, as multiples of the value: the walk trusts the prices that it audits, these do not."""

LOSERS = 4
"""Ads of a page that are asked though they lose: the nearest ones, by worth. To be shown an ad must bid more
than its value and then pays more, so that nothing is to be gained there; that is tried, not assumed."""

STEPS_LIMIT = 512
"""Steps of one ad's curve that are walked; a feed has far fewer slots times gap classes."""


@dataclass(frozen=True, slots=True)
class Market:
    """One auction per ad on trial: its slate, without its advertiser's other ads."""

    batch: SlateBatch
    entry: Int64
    """[trials] index of the ad on trial into the batch's ad columns."""
    advertiser_id: Int64
    shown: np.ndarray
    """[trials] whether it is shown in its slate as it is, its advertiser's other ads included."""
    value: Int64
    """[trials] micros per billable event: what it bids, after pacing."""
    chance: Float64
    """[trials] of its billable event per look."""
    rounding_micros: Float64
    """[trials] see `Stakes.rounding_micros`."""

    def take(self, rows: Int64) -> "Market":
        batch = self.batch.take(rows)
        return Market(
            batch=batch,
            entry=(batch.ad_start[:-1] + (self.entry[rows] - self.batch.ad_start[rows])).astype(np.int64),
            advertiser_id=self.advertiser_id[rows],
            shown=self.shown[rows],
            value=self.value[rows],
            chance=self.chance[rows],
            rounding_micros=self.rounding_micros[rows],
        )

    def bidding(self, bids: Int64) -> SlateBatch:
        """The auctions with the bids of the ads on trial changed to `bids`."""
        changed = self.batch.bid_micros.copy()
        changed[self.entry] = bids
        return replace(self.batch, bid_micros=changed)


@dataclass(frozen=True, slots=True)
class BestResponse:
    """Of every ad on trial, under one pricing rule; in micros per request."""

    advertiser_id: Int64
    value_micros: Int64
    """Per billable event."""
    shown: np.ndarray
    """Whether it is shown, all bids as they are."""
    exact: np.ndarray
    """Whether every auction it was tried in was searched to the end (`Outcome.exact`)."""
    utility_micros: Float64
    """Expected (value - price) when it bids its value: times the event's chance and the exposure."""
    best_micros: Float64
    """The same at the best bid found."""
    best_bid_micros: Int64
    rounding_micros: Float64
    """What whole micros and whole thousandths alone may leave to gain (`Stakes.rounding_micros`)."""

    @property
    def gain_micros(self) -> Float64:
        """Never negative: the value itself is among the bids."""
        return self.best_micros - self.utility_micros

    @property
    def gains(self) -> np.ndarray:
        """[trials] whether another bid would serve it better by more than rounding."""
        return self.gain_micros > self.rounding_micros


def market_of(batch: SlateBatch, policy: AuctionPolicy) -> Market:
    """A trial for every shown ad and the nearest losers, bids as they are after pacing taken as values.

    The advertiser's other ads are out, as they are in the market that its price is taken in: what an
    advertiser with several ads could do with all their bids at once is not a single misreport.
    """
    outcomes = hold_auctions(batch, policy)
    found: Stakes = stakes(batch, policy, outcomes)
    batch = paced(batch, found, outcomes)
    shown = outcomes.position > 0
    ads: Int64 = np.sort(np.concatenate([np.flatnonzero(shown), _nearest_losers(batch, found, shown)]))
    rows = np.searchsorted(batch.ad_start, ads, side="right") - 1
    start, index = entries_of(batch.ad_start, rows)
    trials = batch.take(rows)
    entry: Int64 = start[:-1] + (ads - batch.ad_start[rows])
    owner = np.repeat(batch.advertiser_id[ads], np.diff(start))
    sibling = (batch.advertiser_id[index] == owner) & (index != np.repeat(ads, np.diff(start)))
    # What is not a number does not compete, and an ad that does not compete changes nothing.
    trials = replace(trials, relevance=np.where(sibling, np.nan, trials.relevance))
    return Market(
        batch=trials,
        entry=entry,
        advertiser_id=batch.advertiser_id[ads],
        shown=shown[ads],
        value=found.bid[ads],
        chance=found.chance[ads],
        rounding_micros=found.rounding_micros[ads],
    )


def _nearest_losers(batch: SlateBatch, found: Stakes, shown: np.ndarray) -> Int64:
    """Indices of each slate's `LOSERS` most worthy ads that compete and are not shown."""
    ads = np.flatnonzero(found.competes & ~shown)
    slate = np.searchsorted(batch.ad_start, ads, side="right") - 1
    order = np.lexsort((batch.ad_id[ads], -found.worth[ads], slate))
    place = np.arange(len(ads)) - np.searchsorted(slate[order], slate[order])
    nearest: Int64 = ads[order][place < LOSERS]
    return nearest


def best_responses(
    batch: SlateBatch, policy: AuctionPolicy, pricings: Sequence[Pricing] = tuple(Pricing)
) -> dict[Pricing, BestResponse]:
    """The best bid of every ad on trial (`market_of`), all other bids fixed, under each pricing rule."""
    market = market_of(batch, policy)
    trial, bids = candidate_bids(market, policy)
    tried = market.take(trial)
    truth = np.flatnonzero(bids == tried.value)
    first = np.full(len(market.value), -1, np.int64)
    first[trial[truth]] = truth
    found = {}
    for pricing in pricings:
        outcomes = hold_auctions(tried.bidding(bids), policy.model_copy(update={"pricing": pricing}))
        looks, price = outcomes.exposure[tried.entry], outcomes.price_micros[tried.entry]
        utility = (tried.value - price) * tried.chance * looks
        # By trial, then utility, then nearness to the value: the last of each trial is its best.
        order = np.lexsort((-np.abs(bids - tried.value), utility, trial))
        last = (
            order[np.append(np.flatnonzero(np.diff(trial[order])), len(order) - 1)] if len(order) else order
        )
        found[pricing] = BestResponse(
            advertiser_id=market.advertiser_id,
            value_micros=market.value,
            shown=market.shown,
            exact=np.bincount(trial, outcomes.exact == 0, len(first)) == 0,
            utility_micros=utility[first],
            best_micros=utility[last],
            best_bid_micros=bids[last],
            rounding_micros=market.rounding_micros,
        )
    return found


def candidate_bids(market: Market, policy: AuctionPolicy) -> tuple[Int64, Int64]:
    """(trial, bid) pairs without repeats, each trial's own value among them."""
    walked = policy.model_copy(update={"pricing": Pricing.SECOND_PRICE, "soft_floor": None})
    left = np.arange(len(market.value), dtype=np.int64)
    bid = market.value.copy()
    trials, bids = [left], [bid]
    for _ in range(STEPS_LIMIT):
        if len(left) == 0:
            break
        here = market.take(left)
        outcomes = hold_auctions(here.bidding(bid), walked)
        shown = outcomes.position[here.entry] > 0
        foot = outcomes.price_micros[here.entry][shown]
        left = left[shown]
        trials += [left, left]
        bids += [foot, foot - 1]
        bid = foot - 1
        left, bid = left[bid >= 0], bid[bid >= 0]
    everyone = np.arange(len(market.value), dtype=np.int64)
    for factor in GRID:
        trials.append(everyone)
        bids.append(np.rint(np.minimum(market.value * factor, 2.0**52)).astype(np.int64))
    if policy.soft_floor is not None:
        own = np.array(policy.soft_floor.by_event)[market.batch.billable[market.entry]]
        trials += [everyone, everyone]
        bids += [own, own + 1]
    pairs = np.stack([np.concatenate(trials), np.maximum(np.concatenate(bids), 0)])
    trial, tried = np.unique(pairs, axis=1)
    return trial, tried
