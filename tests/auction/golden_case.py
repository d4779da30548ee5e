"""A golden auction in JSON: slate and policy in, feed, prices, setters and reasons out."""

from typing import Any

import numpy as np

from auction.batch import column_of
from auction.billable import Billable, Grade
from auction.hold import Hold
from auction.outcome import Outcome, Setter
from auction.reason import Reason
from auction.slate import Slate

AD = {
    "billable": "CLICK",
    "bid_micros": 1_000_000,
    "multiplier": 1.0,
    "p_click": 0.05,
    "p_conversion_given_click": 0.1,
    "p_click_conversion": 0.005,
    "p_view": 0.0,
    "p_save": 0.0,
    "p_hide": 0.0,
    "category_id": 0,
    "reserve_micros": 0,
    "tolerance": "HIGH",
    "relevance": 1.0,
}
INTEGERS = ("ad_id", "advertiser_id", "category_id", "bid_micros", "reserve_micros")
CHANCES = ("p_click", "p_conversion_given_click", "p_click_conversion", "p_view", "p_save", "p_hide")
FLOATS = ("multiplier", *CHANCES, "relevance")


def read_slate(case: dict[str, Any]) -> Slate:
    """Ads need an id; an advertiser is the ad's own unless named, the rest has defaults."""
    ads = [{"advertiser_id": ad["ad_id"], **AD, **ad} for ad in case["ads"]]
    for ad in ads:
        ad.setdefault("goal", ad["billable"])
    organic = case["organic"]
    integers = {name: np.array([ad[name] for ad in ads], np.int64) for name in INTEGERS}
    floats = {name: np.array([ad[name] for ad in ads], np.float64) for name in FLOATS}
    return Slate(
        seed=case.get("seed", 1),
        campaign_id=integers["ad_id"],
        billable=np.array([Billable[ad["billable"]] for ad in ads], np.int8),
        goal=np.array([Billable[ad["goal"]] for ad in ads], np.int8),
        hold=np.array([Hold[name] for name in case.get("hold", [])], np.int8),
        tolerance=np.array([Grade[ad["tolerance"]] for ad in ads], np.int8),
        organic_utility=np.array([item["utility"] for item in organic], np.float64),
        organic_grade=np.array([Grade[item.get("grade", "LOW")] for item in organic], np.int8),
        positions_since_ad=case.get("positions_since_ad", -1),
        **integers,
        **floats,
    )


def write_outcome(slate: Slate, outcome: Outcome) -> dict[str, Any]:
    """The outcome in the form of a case's `expect`."""
    shown = sorted((int(s), i) for i, s in enumerate(outcome.position) if s > 0)
    feed = [f"organic {k + 1}" for k in range(len(slate.organic_utility))]
    at = {s: f"ad {slate.ad_id[i]}" for s, i in shown}
    for position, code in enumerate(column_of(slate, "hold"), start=1):
        if code == Hold.MODULE:
            at[position] = "module"
    for position in sorted(at):
        if position <= len(feed) + 1:
            feed.insert(position - 1, at[position])
    setters = {}
    for _, i in shown:
        kind = Setter(int(outcome.setter[i]))
        setters[str(slate.ad_id[i])] = (
            f"ad {outcome.setter_ad_id[i]}" if kind is Setter.AD else kind.name.lower()
        )
    return {
        "feed": feed,
        "prices_micros": {str(slate.ad_id[i]): int(outcome.price_micros[i]) for _, i in shown},
        "setters": setters,
        "reasons": {
            str(slate.ad_id[i]): Reason(int(r)).label for i, r in enumerate(outcome.reason) if r != 0
        },
    }
