"""What must hold of every outcome, whatever the market: checked one by one, counted, and the first spelt."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from auction.auction import hold_auctions
from auction.audit.feed_rules import AD, ORGANIC, broken_rules, feed_of
from auction.audit.stake import Stakes, paced, stakes
from auction.batch import OutcomeBatch, SlateBatch, column_of
from auction.hold import Hold
from auction.outcome import Outcome, Setter
from auction.policy import AuctionPolicy, Pricing
from auction.reason import Reason
from auction.slate import Slate

SPELT = 5
"""Breaks of one identity that are spelt out."""

FLOAT_WHOLE = 2**52
"""Layout values up to here come back from a float of micros as the whole units that they are."""

NAMES = {
    "price": "reserve <= price <= bid of every shown ad; 0 of every other",
    "setter": "a price is set by a competing ad of another advertiser, organic items, a reserve or the bid",
    "reason": "SHOWN is said of the ads that have a position, and of no other",
    "feed": "the shown feed keeps every rule and every exposure",
    "value": "the layout's value is the sum of its items': exposure times worth, in whole units",
    "no_ad": "no page is worth less than its organic items alone, unless a position is kept for an ad",
    "pacing": "multiplier and goal are applied once: the bids they come to give the same outcome",
    "charges": "no placement of the log is charged twice or above its price",
}


@dataclass(frozen=True, slots=True)
class Identity:
    """One identity, over everything that was looked at."""

    name: str
    says: str
    checked: int
    broken: int
    first: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return self.broken == 0

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "says": self.says,
            "checked": self.checked,
            "broken": self.broken,
            "first": list(self.first),
        }


def identity(name: str, checked: int, broken: list[str]) -> Identity:
    return Identity(name, NAMES[name], checked, len(broken), tuple(broken[:SPELT]))


def check_identities(batch: SlateBatch, policy: AuctionPolicy) -> list[Identity]:
    """Hold the auctions under every pricing rule and look at each outcome.

    `checked` counts slates times pricing rules. A break names the slate, the rule and the value found.
    """
    broken: dict[str, list[str]] = {name: [] for name in NAMES if name != "charges"}
    for pricing in Pricing:
        priced = policy.model_copy(update={"pricing": pricing})
        outcomes = hold_auctions(batch, priced)
        found = stakes(batch, priced, outcomes)
        same = hold_auctions(paced(batch, found, outcomes), priced)
        for n in range(len(batch)):
            ads = slice(int(batch.ad_start[n]), int(batch.ad_start[n + 1]))
            where = f"slate {n}, {pricing.value}: "
            slate, outcome = batch.slate(n), outcomes[n]
            for name, said in breaks(slate, priced, outcome, found, ads):
                broken[name].append(where + said)
            if not _equal(outcomes, same, ads):
                broken["pacing"].append(where + "another outcome")
    checked = len(batch) * len(Pricing)
    return [identity(name, checked, said) for name, said in broken.items()]


def breaks(
    slate: Slate, policy: AuctionPolicy, outcome: Outcome, found: Stakes, ads: slice
) -> Iterator[tuple[str, str]]:
    """(identity, what is wrong) for everything that one outcome breaks; `ads` are the slate's in `found`."""
    bid, reserve, competes = found.bid[ads], found.reserve[ads], found.competes[ads]
    for i, position in enumerate(outcome.position):
        ad, price, setter = int(slate.ad_id[i]), int(outcome.price_micros[i]), int(outcome.setter[i])
        if (position > 0) != (outcome.reason[i] == Reason.SHOWN):
            yield "reason", f"ad {ad} at {position} has reason {Reason(int(outcome.reason[i])).label}"
        if position == 0:
            if price != 0 or setter != Setter.NONE:
                yield "price", f"ad {ad} is not shown and has price {price}"
            continue
        if not reserve[i] <= price <= bid[i]:
            yield "price", f"ad {ad}: {reserve[i]} <= {price} <= {bid[i]} is not so"
        said = _setter_fault(slate, policy, outcome, competes, i)
        if said:
            yield "setter", f"ad {ad}: {said}"
    for said in broken_rules(slate, policy, outcome):
        yield "feed", said
    units = _units(slate, policy, outcome, found, ads)
    if abs(units) < FLOAT_WHOLE and round(outcome.value_micros * 1e8) != units:
        yield "value", f"{outcome.value_micros} micros, the items come to {units / 1e8}"
    kept = bool(np.any(column_of(slate, "hold") == Hold.FOR_AD))
    if not kept and outcome.value_micros < outcome.organic_only_value_micros:
        yield "no_ad", f"{outcome.value_micros} micros, {outcome.organic_only_value_micros} without ads"


def _setter_fault(
    slate: Slate, policy: AuctionPolicy, outcome: Outcome, competes: np.ndarray, i: int
) -> str | None:
    setter, named = Setter(int(outcome.setter[i])), int(outcome.setter_ad_id[i])
    if setter is not Setter.AD and named != 0:
        return f"{setter.name} names ad {named}"
    first = policy.pricing is Pricing.FIRST_PRICE
    if first != (setter is Setter.OWN_BID) and policy.soft_floor is None:
        return f"{setter.name} under {policy.pricing.value}"
    if setter is Setter.NONE:
        return "no setter"
    if setter is Setter.AD:
        at = np.flatnonzero(slate.ad_id == named)
        if len(at) != 1 or not competes[at[0]]:
            return f"set by ad {named}, which does not compete"
        if slate.advertiser_id[at[0]] == slate.advertiser_id[i]:
            return f"set by ad {named} of the same advertiser"
    return None


def _units(slate: Slate, policy: AuctionPolicy, outcome: Outcome, found: Stakes, ads: slice) -> int:
    """The value of the shown feed in whole units, item by item."""
    assert policy.exposure is not None
    seen = policy.exposure.examination
    total = 0
    for s, (what, k) in enumerate(feed_of(slate, outcome), start=1):
        if what == ORGANIC and s <= len(seen):
            worth = round(float(slate.organic_utility[k]) * policy.exchange_rate * 1_000)
            total += round(seen[s - 1] * 100_000) * worth
        elif what == AD:
            total += round(float(outcome.exposure[k]) * 100_000) * int(found.worth[ads][k])
    return total


def _equal(one: OutcomeBatch, other: OutcomeBatch, ads: slice) -> bool:
    names = ("position", "exposure", "price_micros", "setter", "setter_ad_id", "reason")
    return all(np.array_equal(getattr(one, name)[ads], getattr(other, name)[ads]) for name in names)
