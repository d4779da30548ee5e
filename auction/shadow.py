"""What each binding rule costs: the value that a page would gain if the rule gave way by one step."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from auction.auction import hold_auctions
from auction.batch import SlateBatch
from auction.grid import ads_allowed
from auction.hold import Hold
from auction.policy import MAX_ADS, AuctionPolicy, FeedRules, Pricing, Reserve
from auction.slate import Float64, Int64, Slate

UNITS = 1e8
"""Units in which the auction adds a layout up, to the micro: 100,000 of a look, 1,000 of a worth."""


@dataclass(frozen=True, slots=True)
class ShadowPrice:
    """Value of one step of one rule, in micros of a page's total value (ads and organic items)."""

    rule: str
    """Path of the rule in the policy (``rules.min_gap``), or the slate's column that carries it."""
    change: str
    """The step, such as ``3 -> 2``."""
    per_slate_micros: Float64
    """[slates], never negative."""

    @property
    def value_micros(self) -> float:
        """Sum over the slates."""
        return float(self.per_slate_micros.sum())

    @property
    def bound_slates(self) -> int:
        """In how many slates the rule costs anything."""
        return int(np.count_nonzero(self.per_slate_micros))

    @property
    def binding(self) -> bool:
        return self.bound_slates > 0

    def to_json(self) -> dict[str, Any]:
        return {
            "rule": self.rule,
            "change": self.change,
            "value_micros": self.value_micros,
            "mean_micros": self.value_micros / max(len(self.per_slate_micros), 1),
            "bound_slates": self.bound_slates,
            "binding": self.binding,
        }


def shadow_prices(slates: Slate | SlateBatch, policy: AuctionPolicy) -> list[ShadowPrice]:
    """One entry per rule in force, by deciding every page again with that one rule a step looser.

    A step is one more ad, one position, a gap one smaller, the share that admits one more ad to the
    page; a rule that is on or off is taken off, and so is the reserve of an event. It is a finite
    difference of the layout's value and exact; nothing is priced, so `policy.pricing` is of no matter.

    A looser rule allows every feed of the stricter one, so no page is worth less. Two rules can break
    that: `wanted_gap` may grow where another rule gives way, and a held position may come to be filled.
    There the page keeps the better of both feeds, and the gain is 0.

    Raises:
        InputError: as `hold_auctions`.
    """
    batch = slates if isinstance(slates, SlateBatch) else SlateBatch.of([slates])
    policy = policy.model_copy(update={"pricing": Pricing.FIRST_PRICE})
    kept = _value(batch, policy)
    prices = [
        ShadowPrice(rule, change, _gain(kept, _value(batch, looser)))
        for rule, change, looser in _looser_policies(policy)
    ]
    prices += [
        ShadowPrice(column, change, _gain(kept, _value(looser, policy)))
        for column, change, looser in _looser_slates(batch)
    ]
    if policy.rules.max_share < 1.0:
        prices.append(_of_share(batch, policy, kept))
    return sorted(prices, key=lambda price: -price.value_micros)


def _value(batch: SlateBatch, policy: AuctionPolicy) -> Int64:
    """[slates] whole units, so that a difference of two values has no rounding of its own."""
    units: Int64 = np.rint(hold_auctions(batch, policy).value_micros * UNITS).astype(np.int64)
    return units


def _gain(kept: Int64, looser: Int64) -> Float64:
    """[slates] micros."""
    gain: Float64 = (np.maximum(looser, kept) - kept) / UNITS
    return gain


def _looser_policies(policy: AuctionPolicy) -> Iterator[tuple[str, str, AuctionPolicy]]:
    """(rule, change, policy with that rule a step looser) of every policy rule that can give way."""
    rules = policy.rules
    for name, value in _looser_rules(rules):
        changed = rules.model_copy(update={name: value})
        change = f"{_word(getattr(rules, name))} -> {_word(value)}"
        yield f"rules.{name}", change, policy.model_copy(update={"rules": changed})
    for name in Reserve.model_fields:
        floor = getattr(policy.reserve, name)
        if floor > 0:
            reserve = policy.reserve.model_copy(update={name: 0})
            yield f"reserve.{name}", f"{floor} -> 0", policy.model_copy(update={"reserve": reserve})


def _looser_rules(rules: FeedRules) -> Iterator[tuple[str, object]]:
    counts: Mapping[str, tuple[bool, object]] = {
        "max_ads": (rules.max_ads < MAX_ADS, rules.max_ads + 1),
        "first_position": (rules.first_position > 1, rules.first_position - 1),
        "min_gap": (rules.min_gap > 1, rules.min_gap - 1),
        "wanted_gap": ((rules.wanted_gap or 0) > rules.min_gap, (rules.wanted_gap or 0) - 1),
        "max_share_of_safe": (rules.max_share_of_safe is not None, None),
        "min_organics": (rules.min_organics > 0, 0),
        "ad_last": (not rules.ad_last, True),
        "one_per_advertiser": (rules.one_per_advertiser, False),
        "one_per_category": (rules.one_per_category, False),
        "adjacency": (rules.adjacency, False),
        "relevance_floor": (rules.relevance_floor > -1.0, -1.0),
    }
    return ((name, value) for name, (in_force, value) in counts.items() if in_force)


def _looser_slates(batch: SlateBatch) -> Iterator[tuple[str, str, SlateBatch]]:
    """The same for what the slates themselves bring: segment reserves and held positions."""
    if np.any(batch.reserve_micros > 0):
        yield "reserve_micros", "off", replace(batch, reserve_micros=np.zeros_like(batch.reserve_micros))
    for code in (Hold.NO_AD, Hold.FOR_AD):
        if np.any(batch.hold == code):
            free = np.where(batch.hold == code, np.int8(Hold.OPEN), batch.hold)
            yield f"hold.{code.name.lower()}", "open", replace(batch, hold=free)


def _of_share(batch: SlateBatch, policy: AuctionPolicy, kept: Int64) -> ShadowPrice:
    """The share that admits one more ad is another one for every length of page."""
    rules = policy.rules
    organics = np.diff(batch.organic_start)
    gain = np.zeros(len(batch))
    for length in np.unique(organics).tolist():
        allowed = ads_allowed(rules.max_ads, rules.max_share, length)
        if allowed == rules.max_ads:
            continue
        rows = np.flatnonzero(organics == length)
        more = allowed + 1
        changed = rules.model_copy(update={"max_share": more / (length + more)})
        looser = _value(batch.take(rows), policy.model_copy(update={"rules": changed}))
        gain[rows] = _gain(kept[rows], looser)
    return ShadowPrice("rules.max_share", f"{_word(rules.max_share)} -> one ad more", gain)


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "none" if value is None else str(value)
