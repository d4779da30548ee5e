"""The best reserve of a market, from what its bidders were seen to be willing to pay."""

from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from auction.errors import InputError
from auction.reserve.interval import LEVEL, METHOD, reserve_interval
from auction.reserve.log_normal import LogNormalLaw
from auction.reserve.sample import AuctionSample
from auction.reserve.values import as_clusters
from auction.slate import Float64

Shape = Literal["empirical", "log_normal"]

NOTES = (
    "Estimated from values. Bids that are shaded (first price, second price with several slots, auto-bidders "
    "that watch their cost) lie below values, and so does a reserve that is estimated from them.",
    "Bidders are taken to be alike and independent, and one event to be one item: what an ad displaces in "
    "the feed is not counted. Hold the log's auctions again (by_replay) before a reserve is set.",
)


@dataclass(frozen=True, slots=True)
class ReserveEstimate:
    """A reserve, what it earns, and how sure that is."""

    reserve_micros: int
    revenue_micros: float
    """Per auction (per bid, for a law of single bids), sold or not."""
    sale_rate: float
    low_micros: int | None
    """Lower end of the interval of the reserve; null where the sample is too small for one."""
    high_micros: int | None
    unreserved_micros: float
    """Revenue per auction without a reserve."""
    at_floor: bool
    """The interval reaches the floor under which nothing was seen: the best reserve may lie lower."""
    method: str
    n: int
    """Auctions (bids) it was estimated from."""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def estimate_reserve(
    first: npt.ArrayLike,
    second: npt.ArrayLike | None = None,
    *,
    shape: Shape = "empirical",
    floor_micros: int = 0,
    unseen: int | None = None,
    cluster: npt.ArrayLike | None = None,
    seed: int = 0,
) -> ReserveEstimate:
    """The reserve that earns most, with an interval.

    Args:
        first: micros per event: the highest value of each auction; or every bidder's value, one by one,
            which gives Myerson's reserve for auctions with any number of such bidders.
        second: the second highest of each auction, 0 where there was none. Given, the revenue is that of a
            second-price auction, E[max(second, r) 1{first >= r}]. Null: of a price posted to each value.
        shape: `empirical` assumes nothing; `log_normal` fits that law (to single values only), and can say
            something below the floor.
        floor_micros: the reserve that hid lower values when the sample was collected.
        unseen: how many values it hid, if known; used by the log-normal law.
        cluster: a whole number per entry of `first`; entries with equal ones were not drawn independently
            (bids of one campaign), so the interval of the empirical shape resamples clusters.
        seed: of the resamples.

    Raises:
        InputError: an empty sample, a value that is refused, one below the floor, or an unknown shape.
    """
    if floor_micros < 0:
        raise InputError("floor_micros", floor_micros, "give an amount, not negative")
    sample = AuctionSample.of(first, second)
    hidden = np.flatnonzero(sample.first < floor_micros)
    if len(hidden):
        at = int(hidden[0])
        raise InputError(f"first[{at}]", float(sample.first[at]), f"at least the floor, {floor_micros}")
    if shape == "log_normal":
        if second is not None:
            raise InputError("second", "a column", "the log-normal law is of single values; leave it out")
        return _from_law(sample, floor_micros, unseen)
    if shape != "empirical":
        raise InputError("shape", shape, "give 'empirical' or 'log_normal'")
    curve = sample.curve()
    best = curve.best
    reserve = float(curve.price[best])
    groups = None if cluster is None else as_clusters(cluster, len(sample))
    ends = reserve_interval(sample, reserve, cluster=groups, seed=seed)
    return ReserveEstimate(
        reserve_micros=_micros(reserve),
        revenue_micros=float(curve.revenue[best]),
        sale_rate=float(curve.sale_rate[best]),
        **_ends(ends, floor_micros),
        unreserved_micros=float(sample.second.mean()),
        at_floor=floor_micros > 0 and (reserve if ends is None else ends[0]) <= sample.candidate[0],
        method=f"best of the sample; {METHOD}",
        n=len(sample),
    )


def _from_law(sample: AuctionSample, floor: int, unseen: int | None) -> ReserveEstimate:
    law = LogNormalLaw.fit(sample.first, floor=floor, unseen=unseen)
    reserve = law.monopoly_price()
    deviations = NormalDist().inv_cdf(0.5 + LEVEL / 2)
    sold = float(law.survival(np.array([reserve]))[0])
    kind = "fitted" if floor == 0 else "censored below the floor" if unseen is not None else "truncated at it"
    return ReserveEstimate(
        reserve_micros=_micros(reserve),
        revenue_micros=reserve * sold,
        sale_rate=sold,
        **_ends(law.price_interval(deviations), 0),
        unreserved_micros=0.0,
        at_floor=False,
        method=f"log-normal law, {kind}; delta method, level {LEVEL:.0%}",
        n=len(sample),
    )


def _micros(price: float | Float64) -> int:
    return round(float(price))


def _ends(ends: tuple[float, float] | None, floor: int) -> dict[str, int | None]:
    if ends is None:
        return {"low_micros": None, "high_micros": None}
    return {"low_micros": max(_micros(ends[0]), floor), "high_micros": _micros(ends[1])}
