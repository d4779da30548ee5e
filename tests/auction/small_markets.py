"""Small random auctions, drawn so that ties, siblings, grades and carried gaps are common."""

from dataclasses import replace

import numpy as np

from auction.policy import AuctionPolicy, Exposure, FeedRules, Pricing, Quality, Reserve, Squash
from auction.slate import Slate


def draw_slate(rng: np.random.Generator, ads: int = 5, organics: int = 6, alike: bool = False) -> Slate:
    """Columns of up to `ads` ads and `organics` items; `alike`: few distinct scores, so many ties."""
    n, k = int(rng.integers(0, ads + 1)), int(rng.integers(0, organics + 1))
    coarse = alike or rng.random() < 0.3
    bids = rng.integers(1, 5, n) * 500_000 if coarse else rng.integers(10_000, 3_000_000, n)
    click = rng.choice([0.01, 0.02, 0.04], n) if coarse else rng.uniform(0.0, 0.08, n)
    convert = rng.uniform(0.0, 0.3, n)
    utility = rng.integers(0, 5, k) * 10_000.0 if coarse else rng.uniform(-5_000, 60_000, k)
    billable = np.ones(n, np.int8) if coarse else rng.integers(0, 4, n).astype(np.int8)
    goal = np.where(rng.random(n) < 0.25, rng.integers(0, 4, n), billable).astype(np.int8)
    bids = np.where(billable == 0, bids // 25, bids)
    return Slate(
        seed=int(rng.integers(0, 2**63)),
        ad_id=rng.permutation(1_000)[:n].astype(np.int64) - 500,
        advertiser_id=rng.integers(0, max(n, 1) if rng.random() < 0.7 else 2, n),
        campaign_id=np.arange(n),
        billable=billable,
        goal=None if coarse else goal,
        p_view=rng.uniform(0.0, 0.5, n),
        category_id=rng.integers(0, 4, n),
        reserve_micros=rng.choice([0, 0, 0, 20_000, 400_000], n),
        bid_micros=bids.astype(np.int64),
        multiplier=np.ones(n) if coarse else rng.uniform(0.2, 1.0, n),
        p_click=click,
        p_conversion_given_click=convert,
        p_click_conversion=click * convert,
        p_save=rng.uniform(0.0, 0.05, n),
        p_hide=rng.uniform(0.0, 0.02, n),
        tolerance=rng.integers(0, 3, n).astype(np.int8),
        relevance=rng.uniform(-0.1, 1.0, n),
        organic_utility=utility,
        organic_grade=rng.choice(3, k, p=[0.6, 0.25, 0.15]).astype(np.int8),
        positions_since_ad=int(rng.choice([-1, -1, 0, 1, 3])),
    )


def draw_policy(rng: np.random.Generator, pricing: Pricing = Pricing.SECOND_PRICE) -> AuctionPolicy:
    """Rules of every kind, for at most three ads."""
    length = int(rng.integers(1, 11))
    steps = rng.choice([1.0, 0.95, 0.7, 0.5], length)
    examination = [float(e) for e in np.round(np.cumprod(steps), 6)]
    gap_effect = [float(g) for g in rng.choice([0.3, 0.6, 0.8, 0.9, 1.0], int(rng.integers(0, 5)))]
    return AuctionPolicy(
        pricing=pricing,
        exchange_rate=float(rng.choice([0.3, 1.0, 1.7])),
        rules=FeedRules(
            first_position=int(rng.integers(1, 4)),
            min_gap=int(rng.integers(1, 4)),
            max_ads=int(rng.integers(0, 4)),
            max_share=float(rng.choice([0.25, 0.5, 1.0, 1.0])),
            ad_last=bool(rng.integers(0, 2)),
            one_per_advertiser=bool(rng.random() < 0.75),
            adjacency=bool(rng.random() < 0.7),
        ),
        exposure=Exposure(examination=examination, gap_effect=gap_effect),
        reserve=Reserve(
            impression_micros=int(rng.choice([0, 5_000])),
            click_micros=int(rng.choice([0, 0, 300_000])),
            conversion_micros=int(rng.choice([0, 500_000])),
        ),
        quality=Quality(
            save_micros=float(rng.choice([0.0, 100_000.0])),
            click_micros=float(rng.choice([0.0, 50_000.0])),
            hide_micros=float(rng.choice([0.0, 300_000.0])),
        ),
    )


def with_holds(rng: np.random.Generator, slate: Slate) -> Slate:
    """Positions forbidden to ads, reserved for one, or a module's; some beyond the page's end."""
    size = int(rng.integers(0, 9))
    hold = rng.choice(4, size, p=[0.5, 0.2, 0.15, 0.15]).astype(np.int8)
    return replace(slate, hold=hold)


def with_more_rules(rng: np.random.Generator, policy: AuctionPolicy) -> AuctionPolicy:
    """The rules that fewer feeds have: categories, a wanted gap, shares of safe items, floors, squashing."""
    rules = policy.rules.model_copy(
        update={
            "one_per_category": bool(rng.random() < 0.6),
            "wanted_gap": policy.rules.min_gap + int(rng.integers(0, 4)) if rng.random() < 0.5 else None,
            "max_share_of_safe": float(rng.choice([0.34, 0.5, 1.0])) if rng.random() < 0.4 else None,
            "min_organics": int(rng.choice([0, 0, 2, 5])),
        }
    )
    soft = Reserve(impression_micros=20_000, click_micros=800_000, conversion_micros=2_000_000)
    squash = Squash(exponent=float(rng.choice([0.3, 0.5, 0.7])), click=0.03, conversion=0.002, view=0.2)
    return policy.model_copy(
        update={
            "rules": rules,
            "soft_floor": soft if rng.random() < 0.3 else None,
            "squash": squash if rng.random() < 0.3 else policy.squash,
        }
    )


def crowded(rng: np.random.Generator, slate: Slate, policy: AuctionPolicy) -> tuple[Slate, AuctionPolicy]:
    """The same market where many ads are shown, so that advertisers, categories and tolerances clash."""
    n, k = len(slate.ad_id), len(slate.organic_utility)
    slate = replace(
        slate,
        organic_utility=slate.organic_utility * 0.02,
        advertiser_id=rng.integers(0, 4, n),
        category_id=rng.integers(0, 3, n),
        organic_grade=rng.integers(0, 3, k).astype(np.int8),
        reserve_micros=None,
    )
    rules = policy.rules.model_copy(
        update={
            "first_position": 1,
            "min_gap": int(rng.integers(1, 3)),
            "wanted_gap": None,
            "max_ads": 3,
            "max_share": 1.0,
            "max_share_of_safe": None,
            "min_organics": 0,
            "one_per_advertiser": bool(rng.random() < 0.8),
            "one_per_category": bool(rng.random() < 0.8),
            "adjacency": bool(rng.random() < 0.8),
        }
    )
    seen = [1.0] * 9 if rng.random() < 0.3 else [round(0.93**s, 6) for s in range(9)]
    update = {"rules": rules, "reserve": Reserve(), "exposure": Exposure(examination=seen)}
    return slate, policy.model_copy(update=update)
