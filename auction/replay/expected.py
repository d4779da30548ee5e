"""What a layout is expected to bring, from the logged probabilities.

For shown ad i at position s, d positions behind the ad before, x = e_s * g(d) is its exposure and

    revenue = x * P(billable event) * price      clicks = x * p_click
    conversions = x * p_click_conversion         saves, hides likewise
    value = sum of x * (multiplier * bid * P(goal event) + quality) + sum of e_s * alpha * utility
    organic displaced = alpha * (sum of e_s * utility without ads - the same with them)

The goal event is the one that the bid is for; a mixer's modules keep their positions in either feed.

Both policies of a comparison are measured with the exposure curve, exchange rate and quality values of
the logged policy: how users look, and what a unit is worth, are facts that a policy under test must
not move. Money is in micros, as floats: these are expectations, nothing is charged by them.
"""

import numpy as np

from auction.billable import event_probability
from auction.errors import InputError
from auction.hold import Hold
from auction.log.decisions import Decisions
from auction.log.placements import gaps
from auction.policy import AuctionPolicy, Exposure, Quality
from auction.slate import Float64, Int64

METRICS = (
    "revenue_micros",
    "ads_shown",
    "decisions_with_ads",
    "clicks",
    "conversions",
    "saves",
    "hides",
    "organic_displaced_micros",
    "value_micros",
)

COLUMNS = (
    "billable",
    "goal",
    "bid_micros",
    "multiplier",
    "p_click",
    "p_click_conversion",
    "p_view",
    "p_save",
    "p_hide",
)
"""Slate columns that the metrics are made of."""


def expected(decisions: Decisions, position: Int64, price_micros: Int64, measure: AuctionPolicy) -> Float64:
    """Expected metrics of each decision, float64 [m, len(METRICS)].

    Args:
        decisions: the slates.
        position: 1-based position of every ad of every slate, 0 where not shown.
        price_micros: its price per billable event.
        measure: the policy whose exposure, exchange rate and quality values are the yardstick.
    """
    if measure.exposure is None:
        raise InputError("policy.exposure", None, "give a resolved policy")
    m = len(decisions)
    entry, start = feed_order(decisions, position)
    owner = np.repeat(np.arange(m), np.diff(start))
    place = position[entry]
    look = exposures(measure.exposure, place, gaps(start, place, decisions.slates.positions_since_ad))
    ads = {name: getattr(decisions.slates, name)[entry] for name in COLUMNS}
    chances = (ads["p_click"], ads["p_click_conversion"], ads["p_view"])
    event, goal = (event_probability(ads[name], *chances) for name in ("billable", "goal"))
    own = quality_micros(measure.quality, ads["p_save"], ads["p_click"], ads["p_hide"])

    result = np.zeros((m, len(METRICS)))
    result[:, METRICS.index("ads_shown")] = np.diff(start)
    result[:, METRICS.index("decisions_with_ads")] = np.diff(start) > 0
    for name, each in (
        ("revenue_micros", event * price_micros[entry]),
        ("clicks", ads["p_click"]),
        ("conversions", ads["p_click_conversion"]),
        ("saves", ads["p_save"]),
        ("hides", ads["p_hide"]),
        ("value_micros", ads["multiplier"] * ads["bid_micros"] * goal + own),
    ):
        result[:, METRICS.index(name)] = np.bincount(owner, look * each, m)
    alone = organic_value(decisions, measure, np.zeros(m + 1, np.int64), place[:0])
    beside = organic_value(decisions, measure, start, place)
    result[:, METRICS.index("organic_displaced_micros")] = alone - beside
    result[:, METRICS.index("value_micros")] += beside
    return result


def feed_order(decisions: Decisions, position: Int64) -> tuple[Int64, Int64]:
    """Shown ads by decision and position: their index in the ad columns, and CSR offsets [m + 1]."""
    entry = np.flatnonzero(position)
    owner = decisions.decision_of(entry)
    order = np.lexsort((position[entry], owner))
    start = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(decisions)))])
    return entry[order], start.astype(np.int64)


def exposures(curve: Exposure, position: Int64, gap: Int64) -> Float64:
    """e_s * g(d) of each placement; a gap of 0 is no ad before, hence g = 1."""
    examination = np.array([0.0, *curve.examination, 0.0])
    effect = np.array([1.0, *curve.gap_effect, 1.0])
    seen = examination[np.minimum(position, len(examination) - 1)]
    product: Float64 = seen * effect[np.minimum(gap, len(effect) - 1)]
    return product


def quality_micros(quality: Quality, p_save: Float64, p_click: Float64, p_hide: Float64) -> Float64:
    """Value to the user of an examined ad, in micros: saves and clicks, less hides."""
    return quality.save_micros * p_save + quality.click_micros * p_click - quality.hide_micros * p_hide


def with_modules(decisions: Decisions, start: Int64, position: Int64) -> tuple[Int64, Int64]:
    """These positions (CSR, in feed order) and those of the mixer's modules among them, likewise."""
    first = decisions.slates.hold_start
    entry = np.flatnonzero(decisions.slates.hold == Hold.MODULE)
    if not len(entry):
        return start, position
    m = len(decisions)
    holder = np.searchsorted(first, entry, side="right") - 1
    owner = np.concatenate([np.repeat(np.arange(m), np.diff(start)), holder])
    taken = np.concatenate([position, entry - first[holder] + 1])
    begin = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=m))])
    return begin.astype(np.int64), taken[np.lexsort((taken, owner))]


def organic_value(decisions: Decisions, measure: AuctionPolicy, start: Int64, position: Int64) -> Float64:
    """Value of each decision's organic items, in micros, with ads at these positions (in feed order).

    The m-th ad or module at position a has a - m organic items before it and pushes down all that follow.
    """
    assert measure.exposure is not None
    start, position = with_modules(decisions, start, position)
    first = decisions.slates.organic_start
    lengths = np.diff(first)
    rank = np.arange(len(position)) - np.repeat(start[:-1], np.diff(start))
    owner = np.repeat(np.arange(len(decisions)), np.diff(start))
    before = position - 1 - rank
    inside = before < lengths[owner]
    pushes = np.bincount((first[owner] + before)[inside], minlength=first[-1])[: first[-1]]
    running = np.concatenate([[0], np.cumsum(pushes)])
    row = np.repeat(np.arange(len(decisions)), lengths)
    order = np.arange(first[-1]) - first[row]
    place = order + 1 + running[1:] - running[first[row]]
    seen = exposures(measure.exposure, place, np.zeros(len(place), np.int64))
    utility = decisions.slates.organic_utility * measure.exchange_rate
    value: Float64 = np.bincount(row, seen * utility, len(decisions)).astype(np.float64)
    return value
