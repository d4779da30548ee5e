"""A second opinion: every feasible feed of a small auction, enumerated in plain Python integers.

Written from the rules' text (``docs/auction.md``) and from nothing of the package's kernels: feasible
feeds, values and prices are found by listing feeds and by re-running the whole allocation.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from auction.batch import column_of
from auction.hold import Hold
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


def root_power(base: float, exponent: float) -> float:
    """``base ** exponent`` by square roots, one for each binary digit of the exponent."""
    result, root = 1.0, base
    while exponent > 0.0:
        root, exponent = math.sqrt(root), exponent * 2
        if exponent >= 1.0:
            result, exponent = result * root, exponent - 1.0
    return result


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
        self.hold = [Hold(int(h)) for h in column_of(slate, "hold")]
        self.organic_worth = [round(float(u) * policy.exchange_rate * 1000) for u in slate.organic_utility]
        self.modules = {s for s, hold in enumerate(self.hold, start=1) if hold is Hold.MODULE}
        reserve, quality, squash = policy.reserve, policy.quality, policy.squash
        by_event = [
            reserve.impression_micros,
            reserve.click_micros,
            reserve.conversion_micros,
            reserve.view_micros,
        ]
        own = column_of(slate, "reserve_micros")
        goal, view = column_of(slate, "goal"), column_of(slate, "p_view")
        self.category = [int(c) for c in column_of(slate, "category_id")]
        self.reserve = [max(by_event[int(e)], int(r)) for e, r in zip(slate.billable, own, strict=True)]
        self.bid, self.rate, self.quality, self.eligible = [], [], [], []
        for i in range(self.n):
            event = int(slate.billable[i])
            chances = [1.0, float(slate.p_click[i]), float(slate.p_click_conversion[i]), float(view[i])]
            p = chances[event]
            bid = float(slate.bid_micros[i]) * float(slate.multiplier[i])
            if int(goal[i]) != event:
                bid = bid * (chances[int(goal[i])] / p) if p else math.nan
            if squash.exponent != 1.0 and event != 0:
                reference = [1.0, squash.click, squash.conversion, squash.view][event]
                p = reference * root_power(p / reference, squash.exponent)
            self.rate.append(p * 1000)
            sound = math.isfinite(bid) and bid <= 2**53 and bid * self.rate[i] <= 2**36
            self.bid.append(math.floor(bid) if sound else 0)
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
                and sound
                and float(slate.relevance[i]) >= policy.rules.relevance_floor
                and self.bid[i] >= self.reserve[i]
            )
        self.tie = [tie_hash(slate.seed, int(a)) for a in slate.ad_id]

    def worth(self, ad: int, bid: int | None = None) -> int:
        bid = self.bid[ad] if bid is None else bid
        return math.floor(float(bid) * self.rate[ad]) + self.quality[ad]

    def soft_floor(self, ad: int) -> int:
        floor = self.policy.soft_floor
        names = ("impression_micros", "click_micros", "conversion_micros", "view_micros")
        return getattr(floor, names[int(self.slate.billable[ad])]) if floor else 0

    def look(self, position: int) -> int:
        e = self.examination[position - 1] if position <= len(self.examination) else 0.0
        return round(e * 1.0 * 100_000)

    def look_at_ad(self, position: int, distance: int | None) -> int:
        e = self.examination[position - 1] if position <= len(self.examination) else 0.0
        g = 1.0 if distance is None or distance > len(self.gap) else self.gap[distance - 1]
        return round(e * g * 100_000)

    def most_ads(self) -> int:
        rules, most = self.policy.rules, 0
        if self.k < rules.min_organics:
            return 0
        safe = sum(int(grade) == 0 for grade in self.slate.organic_grade)
        for n in range(1, rules.max_ads + 1):
            inside = rules.max_share_of_safe is None or n <= rules.max_share_of_safe * safe + 1e-9
            if inside and n <= rules.max_share * (self.k + n) + 1e-9:
                most = n
        return most

    def may_take_an_ad(self, position: int) -> bool:
        held = self.hold[position - 1] if position <= len(self.hold) else Hold.OPEN
        return held in (Hold.OPEN, Hold.FOR_AD)

    def items(self, pattern: tuple[int, ...]) -> list[str] | None:
        """What stands where, in feed order: None where an ad's position is not reached."""
        organics, ads, items = self.k, len(pattern), []
        s = 0
        while organics or ads:
            s += 1
            if s in self.modules:
                items.append("module")
            elif s in pattern:
                items.append("ad")
                ads -= 1
            elif organics:
                items.append("organic")
                organics -= 1
            else:
                return None
        if s + 1 in self.modules:
            items.append("module")
        return items

    @cached_property
    def gap_used(self) -> int:
        """The widest gap up to the wanted one that costs no slot, by trying every pattern."""
        rules = self.policy.rules
        wanted = rules.min_gap if rules.wanted_gap is None else rules.wanted_gap
        if wanted == rules.min_gap:
            return wanted
        most = {gap: self._slots_at(gap) for gap in range(rules.min_gap, wanted + 1)}
        return max(gap for gap, count in most.items() if count == most[rules.min_gap])

    def _slots_at(self, gap: int) -> int:
        """Most ads that any pattern of open, seen positions holds at this gap."""
        best = 0
        for pattern in self._patterns(self.most_ads()):
            last = -self.slate.positions_since_ad if self.slate.positions_since_ad >= 0 else -99
            items = self.items(pattern)
            if items is None or (not self.policy.rules.ad_last and self._ends_on_an_ad(items)):
                continue
            steps = zip((last, *pattern), pattern, strict=False)
            apart = all(b - a >= gap for a, b in steps)
            usable = all(self.look(s) > 0 and self.may_take_an_ad(s) for s in pattern)
            if apart and usable and (not pattern or pattern[0] >= self.policy.rules.first_position):
                best = max(best, len(pattern))
        return best

    @staticmethod
    def _ends_on_an_ad(items: list[str]) -> bool:
        own = [item for item in items if item != "module"]
        return bool(own) and own[-1] == "ad"

    @cached_property
    def feeds(self) -> list[Feed]:
        """Every feasible feed of eligible ads; no bid is read."""
        found = []
        for pattern in self._patterns(min(self.most_ads(), sum(self.eligible))):
            for ads in self._fillings(pattern, ()):
                feed = self._feed(pattern, ads)
                if feed is not None:
                    found.append(feed)
        return found

    def _patterns(self, top: int) -> Iterator[tuple[int, ...]]:
        stack: list[tuple[int, ...]] = [()]
        while stack:
            pattern = stack.pop()
            yield pattern
            if len(pattern) < top:
                first = pattern[-1] + 1 if pattern else 1
                stack.extend(
                    (*pattern, s) for s in range(first, self.k + len(pattern) + 2 + len(self.modules))
                )

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
        categories = [self.category[a] for a in ads if self.category[a] != 0]
        if rules.one_per_category and len(set(categories)) < len(categories):
            return None
        names = self.items(pattern)
        if names is None or not all(self.may_take_an_ad(s) for s in pattern):
            return None
        organic, at = iter(range(self.k)), dict(zip(pattern, ads, strict=True))
        items: list[tuple[str, int]] = []
        for s, name in enumerate(names, start=1):
            items.append((name, at[s] if name == "ad" else next(organic) if name == "organic" else -1))
        if not rules.ad_last and self._ends_on_an_ad(names):
            return None
        exposures: list[int] = []
        last = -slate.positions_since_ad if slate.positions_since_ad >= 0 else None
        for s in pattern:
            if not exposures and s < rules.first_position:
                return None
            distance = None if last is None else s - last
            if distance is not None and distance < self.gap_used:
                return None
            x = self.look_at_ad(s, distance)
            if x < 1 or (exposures and x > exposures[-1]):
                return None
            exposures.append(x)
            last = s
        if rules.adjacency:
            for s in pattern:
                for neighbour in (s - 1, s + 1):
                    if 1 <= neighbour <= len(items) and items[neighbour - 1][0] != "ad":
                        what, which = items[neighbour - 1]
                        grade = 1 if what == "module" else int(slate.organic_grade[which])
                        if grade > int(slate.tolerance[items[s - 1][1]]):
                            return None
        worth = sum(
            self.look(s) * self.organic_worth[which]
            for s, (what, which) in enumerate(items, start=1)
            if what == "organic"
        )
        return Feed(tuple(zip(pattern, ads, strict=True)), tuple(exposures), worth)

    def bonus(self, feed: Feed) -> int:
        """Reserved positions that an ad takes count 2^36 per look before anything else."""
        kept = [s for s, _ in feed.ads if s <= len(self.hold) and self.hold[s - 1] is Hold.FOR_AD]
        return sum(2**36 * self.look(s) for s in kept)

    def value(self, feed: Feed, changed: dict[int, int]) -> int:
        ads = zip(feed.ads, feed.exposure, strict=True)
        return feed.organic + sum(x * self.worth(ad, changed.get(ad)) for (_, ad), x in ads)

    def best(self, out: frozenset[int] = frozenset(), changed: dict[int, int] | None = None) -> Feed:
        """The feed that the tie rule picks among those of greatest value."""
        worths = [self.worth(ad, (changed or {}).get(ad)) for ad in range(self.n)]
        top, leaders = None, []
        for feed in self.feeds:
            total = feed.organic + self.bonus(feed)
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
        grades = {int(g) for g in self.slate.organic_grade} | ({1} if self.modules else set())
        return max((g for g in grades if g <= self.slate.tolerance[ad]), default=0)

    def siblings(self, ad: int) -> frozenset[int]:
        mine = self.slate.advertiser_id[ad]
        return frozenset(a for a in range(self.n) if a != ad and self.slate.advertiser_id[a] == mine)

    def exposure_at(self, ad: int, bid: int) -> int:
        """Exposure of the ad at another bid, in the market without its advertiser's other ads."""
        if bid < self.reserve[ad]:
            return 0
        return self.best(self.siblings(ad), {ad: bid}).exposure_of(ad)
