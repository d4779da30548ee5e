"""A second opinion: every feasible feed of a small auction, enumerated in plain Python integers.

Written from the rules' text (``docs/auction.md``) and from nothing of the package's kernels: feasible
feeds, values and prices are found by listing feeds and by re-running the whole allocation.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from auction.policy import AuctionPolicy
from auction.slate import Slate

MASK = 2**64 - 1


def splitmix(z: int) -> int:
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def tie_hash(seed: int, ad_id: int) -> int:
    z = splitmix((seed + 0x9E3779B97F4A7C15) & MASK)
    z = splitmix((z + (ad_id & MASK) * 0x9E3779B97F4A7C15) & MASK)
    return (z >> 40) + 1


@dataclass(frozen=True)
class Feed:
    """Ads by position, and what they look like to the auction."""

    ads: tuple[tuple[int, int], ...]
    """(position, ad) in feed order."""
    exposure: tuple[int, ...]
    organic: int

    def exposure_of(self, ad: int) -> int:
        return sum(x for (_, a), x in zip(self.ads, self.exposure, strict=True) if a == ad)


class Oracle:
    """One small auction. `out` are ads taken from the market; `bid` replaces effective bids."""

    def __init__(self, slate: Slate, policy: AuctionPolicy) -> None:
        assert policy.exposure is not None
        self.slate, self.policy = slate, policy
        self.n, self.k = len(slate.ad_id), len(slate.organic_utility)
        self.examination = policy.exposure.examination
        self.gap = policy.exposure.gap_effect
        self.organic_worth = [round(float(u) * policy.exchange_rate * 1000) for u in slate.organic_utility]
        self.bid = [
            math.floor(float(b) * float(m)) for b, m in zip(slate.bid_micros, slate.multiplier, strict=True)
        ]
        reserve, quality = policy.reserve, policy.quality
        by_event = [reserve.impression_micros, reserve.click_micros, reserve.conversion_micros]
        self.reserve = [by_event[int(e)] for e in slate.billable]
        self.rate, self.quality, self.eligible = [], [], []
        for i in range(self.n):
            p = [1.0, float(slate.p_click[i]), float(slate.p_click_conversion[i])][int(slate.billable[i])]
            self.rate.append(p * 1000)
            q = (
                quality.save_micros * float(slate.p_save[i])
                + quality.click_micros * float(slate.p_click[i])
                - quality.hide_micros * float(slate.p_hide[i])
            )
            fine = all(
                math.isfinite(float(column[i]))
                for column in (slate.p_click, slate.p_click_conversion, slate.p_save, slate.p_hide)
            )
            self.quality.append(round(q * 1000) if fine else 0)
            self.eligible.append(
                fine
                and float(slate.relevance[i]) >= policy.rules.relevance_floor
                and self.bid[i] >= self.reserve[i]
            )
        self.tie = [tie_hash(slate.seed, int(a)) for a in slate.ad_id]

    def worth(self, ad: int, bid: int | None = None) -> int:
        bid = self.bid[ad] if bid is None else bid
        return math.floor(float(bid) * self.rate[ad]) + self.quality[ad]

    def look(self, position: int) -> int:
        e = self.examination[position - 1] if position <= len(self.examination) else 0.0
        return round(e * 1.0 * 100_000)

    def look_at_ad(self, position: int, distance: int | None) -> int:
        e = self.examination[position - 1] if position <= len(self.examination) else 0.0
        g = 1.0 if distance is None or distance > len(self.gap) else self.gap[distance - 1]
        return round(e * g * 100_000)

    def most_ads(self) -> int:
        share, most = self.policy.rules.max_share, 0
        for n in range(1, self.policy.rules.max_ads + 1):
            if n <= share * (self.k + n) + 1e-9:
                most = n
        return most

    @cached_property
    def feeds(self) -> list[Feed]:
        """Every feasible feed of eligible ads; no bid is read."""
        found = []
        for pattern in self._patterns():
            for ads in self._fillings(pattern, ()):
                feed = self._feed(pattern, ads)
                if feed is not None:
                    found.append(feed)
        return found

    def _patterns(self) -> Iterator[tuple[int, ...]]:
        top = min(self.most_ads(), sum(self.eligible))
        stack: list[tuple[int, ...]] = [()]
        while stack:
            pattern = stack.pop()
            yield pattern
            if len(pattern) < top:
                first = pattern[-1] + 1 if pattern else 1
                stack.extend((*pattern, s) for s in range(first, self.k + len(pattern) + 2))

    def _fillings(self, pattern: tuple[int, ...], ads: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        if len(ads) == len(pattern):
            yield ads
            return
        for ad in range(self.n):
            if self.eligible[ad] and ad not in ads:
                yield from self._fillings(pattern, (*ads, ad))

    def _feed(self, pattern: tuple[int, ...], ads: tuple[int, ...]) -> Feed | None:
        rules, slate = self.policy.rules, self.slate
        advertisers = [int(slate.advertiser_id[a]) for a in ads]
        if rules.one_per_advertiser and len(set(advertisers)) < len(advertisers):
            return None
        items: list[tuple[str, int]] = []
        organic = iter(range(self.k))
        at = dict(zip(pattern, ads, strict=True))
        for s in range(1, self.k + len(ads) + 1):
            items.append(("ad", at[s]) if s in at else ("organic", next(organic)))
        if not rules.ad_last and items and items[-1][0] == "ad":
            return None
        exposures: list[int] = []
        last = -slate.positions_since_ad if slate.positions_since_ad >= 0 else None
        for s in pattern:
            if not exposures and s < rules.first_position:
                return None
            distance = None if last is None else s - last
            if distance is not None and distance < rules.min_gap:
                return None
            x = self.look_at_ad(s, distance)
            if x < 1 or (exposures and x > exposures[-1]):
                return None
            exposures.append(x)
            last = s
        if rules.adjacency:
            for s in pattern:
                for neighbour in (s - 1, s + 1):
                    if 1 <= neighbour <= len(items) and items[neighbour - 1][0] == "organic":
                        grade = int(slate.organic_grade[items[neighbour - 1][1]])
                        if grade > int(slate.tolerance[items[s - 1][1]]):
                            return None
        worth = sum(
            self.look(s) * self.organic_worth[which]
            for s, (what, which) in enumerate(items, start=1)
            if what == "organic"
        )
        return Feed(tuple(zip(pattern, ads, strict=True)), tuple(exposures), worth)

    def value(self, feed: Feed, changed: dict[int, int]) -> int:
        ads = zip(feed.ads, feed.exposure, strict=True)
        return feed.organic + sum(x * self.worth(ad, changed.get(ad)) for (_, ad), x in ads)

    def best(self, out: frozenset[int] = frozenset(), changed: dict[int, int] | None = None) -> Feed:
        """The feed that the tie rule picks among those of greatest value."""
        worths = [self.worth(ad, (changed or {}).get(ad)) for ad in range(self.n)]
        top, leaders = None, []
        for feed in self.feeds:
            total = feed.organic
            for (_, ad), x in zip(feed.ads, feed.exposure, strict=True):
                if ad in out:
                    break
                total += x * worths[ad]
            else:
                if top is None or total >= top:
                    leaders = [*leaders, feed] if total == top else [feed]
                    top = total
        return max(leaders, key=self.rank_among_equals)

    def rank_among_equals(self, feed: Feed) -> tuple[int, int, tuple[tuple[int, int], ...], tuple]:
        """Greatest hash-weighted exposure; then the fewest ads; then, from the last ad backwards, the
        earlier position and the less tolerant ad; then score order."""
        tie = sum(x * self.tie[ad] for (_, ad), x in zip(feed.ads, feed.exposure, strict=True))
        backwards = tuple((-s, -self.level(ad)) for s, ad in reversed(feed.ads))
        scores = tuple((self.worth(ad), self.tie[ad], -int(self.slate.ad_id[ad])) for _, ad in feed.ads)
        return tie, -len(feed.ads), backwards, scores

    def level(self, ad: int) -> int:
        """Riskiest grade of this page that the ad accepts."""
        if not self.policy.rules.adjacency:
            return 0
        grades = {int(g) for g in self.slate.organic_grade}
        return max((g for g in grades if g <= self.slate.tolerance[ad]), default=0)

    def siblings(self, ad: int) -> frozenset[int]:
        mine = self.slate.advertiser_id[ad]
        return frozenset(a for a in range(self.n) if a != ad and self.slate.advertiser_id[a] == mine)

    def exposure_at(self, ad: int, bid: int) -> int:
        """Exposure of the ad at another bid, in the market without its advertiser's other ads."""
        if bid < self.reserve[ad]:
            return 0
        return self.best(self.siblings(ad), {ad: bid}).exposure_of(ad)
