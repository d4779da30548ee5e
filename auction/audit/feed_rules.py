"""Whether a shown feed keeps the rules: read off the finished list, item by item, by no kernel."""

from itertools import pairwise

import numpy as np

from auction.batch import column_of
from auction.billable import Grade
from auction.hold import Hold
from auction.outcome import Outcome
from auction.policy import AuctionPolicy
from auction.slate import Slate

AD, ORGANIC, MODULE, NOTHING = "ad", "organic", "module", "nothing"
SLACK = 1e-9

Item = tuple[str, int]
"""What it is, and its index in the slate."""


def feed_of(slate: Slate, outcome: Outcome) -> list[Item]:
    """The answered feed: ads at their positions, modules at theirs, organic items in order around them.

    A module that the feed does not reach is left out.
    """
    ads = {int(s): i for i, s in enumerate(outcome.position) if s > 0}
    modules = {s for s, code in enumerate(column_of(slate, "hold"), start=1) if code == Hold.MODULE}
    organics, feed = len(slate.organic_utility), list[Item]()
    placed = 0
    while placed < organics or len(feed) < max(ads, default=0) or len(feed) + 1 in modules:
        s = len(feed) + 1
        if s in ads:
            feed.append((AD, ads[s]))
        elif s in modules:
            feed.append((MODULE, s))
        elif placed < organics:
            feed.append((ORGANIC, placed))
            placed += 1
        else:
            feed.append((NOTHING, s))
    return feed


def broken_rules(slate: Slate, policy: AuctionPolicy, outcome: Outcome) -> list[str]:
    """A sentence for every rule of `policy.rules` that the feed breaks; empty where it keeps them all."""
    rules = policy.rules
    feed = feed_of(slate, outcome)
    positions = sorted(int(s) for s in outcome.position if s > 0)
    ads = [i for what, i in feed if what == AD]
    organics = len(slate.organic_utility)
    said: list[str] = []
    if len(ads) != len(positions) or any(what == NOTHING for what, _ in feed):
        said.append(f"positions {positions} leave a hole or are taken twice")
    if not ads:
        return said
    if len(ads) > rules.max_ads:
        said.append(f"{len(ads)} ads, max_ads {rules.max_ads}")
    if len(ads) > rules.max_share * (organics + len(ads)) + SLACK:
        said.append(f"{len(ads)} ads beside {organics} organic items, max_share {rules.max_share}")
    safe = int(np.count_nonzero(slate.organic_grade == Grade.LOW))
    if rules.max_share_of_safe is not None and len(ads) > rules.max_share_of_safe * safe + SLACK:
        said.append(f"{len(ads)} ads by {safe} safe items, max_share_of_safe {rules.max_share_of_safe}")
    if organics < rules.min_organics:
        said.append(f"ads beside {organics} organic items, min_organics {rules.min_organics}")
    if not rules.ad_last and [what for what, _ in feed if what != MODULE][-1] == AD:
        said.append("the feed ends on an ad")
    said += _spacing(slate, policy, positions)
    said += _company(slate, policy, ads)
    if rules.adjacency:
        said += _neighbours(slate, feed)
    for s, code in enumerate(column_of(slate, "hold"), start=1):
        if code in (Hold.NO_AD, Hold.MODULE) and s in positions:
            said.append(f"an ad at the held position {s}")
    return said + _exposures(slate, policy, outcome)


def _spacing(slate: Slate, policy: AuctionPolicy, positions: list[int]) -> list[str]:
    rules = policy.rules
    said = []
    if positions[0] < rules.first_position:
        said.append(f"the first ad is at {positions[0]}, first_position {rules.first_position}")
    carried = [-slate.positions_since_ad] if slate.positions_since_ad >= 0 else []
    stands = [*carried, *positions]
    for before, s in pairwise(stands):
        if s - before < rules.min_gap:
            said.append(f"gap {s - before} before position {s}, min_gap {rules.min_gap}")
    return said


def _company(slate: Slate, policy: AuctionPolicy, ads: list[int]) -> list[str]:
    rules = policy.rules
    said = []
    advertisers = [int(slate.advertiser_id[i]) for i in ads]
    if rules.one_per_advertiser and len(set(advertisers)) < len(ads):
        said.append("two ads of one advertiser")
    named = [int(c) for c in column_of(slate, "category_id")[ads] if c != 0]
    if rules.one_per_category and len(set(named)) < len(named):
        said.append("two ads of one category")
    if any(not float(slate.relevance[i]) >= rules.relevance_floor for i in ads):
        said.append("an ad below the relevance floor")
    return said


def _neighbours(slate: Slate, feed: list[Item]) -> list[str]:
    said = []
    for at, (what, i) in enumerate(feed):
        if what != AD:
            continue
        for kind, k in feed[max(at - 1, 0) : at] + feed[at + 1 : at + 2]:
            grade = Grade.MEDIUM if kind == MODULE else int(slate.organic_grade[k]) if kind == ORGANIC else 0
            if grade > int(slate.tolerance[i]):
                said.append(f"a neighbour of grade {int(grade)} at position {at + 1}")
    return said


def _exposures(slate: Slate, policy: AuctionPolicy, outcome: Outcome) -> list[str]:
    assert policy.exposure is not None
    examination, gap_effect = policy.exposure.examination, policy.exposure.gap_effect
    last = -slate.positions_since_ad if slate.positions_since_ad >= 0 else None
    said, before = [], 100_000
    for i in np.argsort(outcome.position, kind="stable"):
        s = int(outcome.position[i])
        if s == 0:
            continue
        seen = examination[s - 1] if s <= len(examination) else 0.0
        effect = 1.0 if last is None or s - last > len(gap_effect) else gap_effect[s - last - 1]
        units = round(seen * effect * 100_000)
        if units != round(float(outcome.exposure[i]) * 100_000):
            said.append(f"exposure {outcome.exposure[i]} at position {s}, which gives {units / 1e5}")
        if not 1 <= units <= before:
            said.append(f"exposure {units / 1e5} at position {s} after {before / 1e5}")
        last, before = s, units
    return said
