"""A reserve per segment: its own values count for more the more there are of them."""

from collections.abc import Hashable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from auction.errors import InputError
from auction.reserve.empirical import EmpiricalLaw
from auction.reserve.interval import LEVEL
from auction.reserve.values import as_clusters, as_values
from auction.slate import Float64, Int64

DRAWS = 200
MOST_ATOMS = 20_000
"""Of the pooled law in a segment's; a larger pool is thinned, by rank."""
MOST_DRAWN_ATOMS = 500
"""Of the pooled law, and of the segment's own, in a posterior draw."""
UNKNOWN_CONCENTRATION = 30.0
"""Where the data cannot tell how segments differ: one segment, or no segment with two values."""
LEAST_CONCENTRATION, MOST_CONCENTRATION = 1.0, 1e6
_THRESHOLDS = (0.25, 0.5, 0.75)

METHOD = (
    "greatest expected revenue under the posterior of a Dirichlet process about the pooled law; interval: "
    f"its posterior, {DRAWS} draws, level {LEVEL:.0%}"
)


@dataclass(frozen=True, slots=True)
class SegmentReserve:
    """The reserve of one segment."""

    segment: Hashable
    reserve_micros: int
    own_micros: int
    """What its own values alone would give."""
    low_micros: int
    """Lower end of the posterior interval."""
    high_micros: int
    sale_rate: float
    """Under the shrunk law."""
    revenue_micros: float
    """Per value, under the shrunk law."""
    own_weight: float
    """Share of the shrunk law that is the segment's own: n / (n + concentration), n as it counts. 0 for a
    segment of one value (one cluster)."""
    n: int
    """Values."""
    counted: float
    """How many independent values they count as; `n` without clusters."""


@dataclass(frozen=True, slots=True)
class SegmentReserves:
    """The reserves of all segments, and of any other."""

    pool: SegmentReserve
    """Of all values together: what a segment without a value gets."""
    concentration: float
    """How many values the pooled law counts as in every segment."""
    rows: tuple[SegmentReserve, ...]
    """By segment, the largest first."""
    method: str = METHOD

    def __getitem__(self, segment: Hashable) -> SegmentReserve:
        """The segment's reserve; the pool's for one that was not seen."""
        return next((row for row in self.rows if row.segment == segment), self.pool)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def estimate_segment_reserves(
    values: npt.ArrayLike,
    segment: npt.ArrayLike,
    *,
    cluster: npt.ArrayLike | None = None,
    concentration: float | None = None,
    seed: int = 0,
) -> SegmentReserves:
    """Myerson's reserve per segment, shrunk towards the pooled law.

    The prior of a segment's law is a Dirichlet process about the pooled law F with concentration k, so
    after n values its mean is (n * own law + k * F) / (n + k) (Ferguson 1973). Revenue p * (1 - F(p)) is
    linear in the law: the best price of that mean is the price of greatest expected revenue, which shrinking
    the reserves themselves, or their logarithms, is not. It also needs no standard error of a reserve, which
    a segment with few values does not have.

    A value that is alone at the top of its segment would be priced at itself, however far off it is. So the
    top value (the top cluster's values) is taken for the next one below, in the spirit of guarded empirical
    reserves (Dhangwatnotai, Roughgarden and Yan 2015), and a segment of one value gets the pool's reserve.

    Unless given, k comes from the data: under the prior, "value >= t" has intraclass correlation 1 / (k + 1)
    within a segment for every t. It is estimated from pairs of values of one segment (and different
    clusters) at the quartiles of the pool.

    Args:
        values: micros, one per bid.
        segment: the label of each: a surface, a category, an advertiser; whole numbers or strings.
        cluster: a whole number per value; values of a segment with equal ones (bids of one advertiser) were
            not drawn independently: n of them count as n / (1 + (n - 1) * c), c being the correlation that
            is found within clusters (Kish's design effect).
        concentration: k, above 0; null: from the data.
        seed: of the posterior draws.

    Raises:
        InputError: no value, one that is refused, or columns of different length.
    """
    column = as_values("values", values)
    label, group = _groups(segment, len(column))
    if concentration is not None and not 0 < concentration <= 1e9:
        raise InputError("concentration", concentration, "give a number above 0, at most 1e9")
    together = None if cluster is None else _clusters(cluster, group)
    within, cluster_within = _correlations(column, group, together)
    counted = _counted(group, together, cluster_within)
    strength = concentration or _concentration(within)
    generator = np.random.default_rng(seed)
    pool_counted = float(counted.sum())
    pool = _row(None, column, None, pool_counted, np.zeros(0), 0.0, generator)
    prior = _thin(column, MOST_ATOMS)
    rows = []
    for at in np.lexsort((np.arange(len(label)), -np.bincount(group))):
        inside = group == at
        cap = _second_highest(column[inside], None if together is None else together[inside])
        weight = 0.0 if cap is None else float(counted[at])
        rows.append(_row(label[at], column[inside], cap, weight, prior, strength, generator))
    return SegmentReserves(pool=pool, concentration=float(strength), rows=tuple(rows))


def _row(
    label: Hashable,
    values: Float64,
    cap: float | None,
    counted: float,
    prior: Float64,
    strength: float,
    generator: np.random.Generator,
) -> SegmentReserve:
    own = values if cap is None else np.minimum(values, cap)
    curve = EmpiricalLaw.of(*_mixed(own, counted, prior, strength)).curve()
    best = curve.best
    drawn_own, drawn_prior = (_thin(column, MOST_DRAWN_ATOMS) for column in (own, prior))
    value, weight = _mixed(drawn_own, counted, drawn_prior, strength)
    order = np.argsort(value, kind="stable")
    value, weight = value[order], weight[order]
    # A Dirichlet draw over the atoms is a row of independent gammas over its sum, which no maximum needs.
    drawn = generator.standard_gamma(weight, (DRAWS, len(weight)))
    at_least = np.cumsum(drawn[:, ::-1], axis=1)[:, ::-1]
    reserves = value[np.argmax(value * at_least, axis=1)]
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(reserves, [tail, 1 - tail])
    alone = EmpiricalLaw.of(values).monopoly_price()
    return SegmentReserve(
        segment=label,
        reserve_micros=round(float(curve.price[best])),
        own_micros=round(alone),
        low_micros=round(float(low)),
        high_micros=round(float(high)),
        sale_rate=float(curve.sale_rate[best]),
        revenue_micros=float(curve.revenue[best]),
        own_weight=counted / (counted + strength),
        n=len(values),
        counted=counted,
    )


def _second_highest(values: Float64, together: Int64 | None) -> float | None:
    """Of the segment's values, or of its clusters' highest ones; null where there is one only."""
    tops = values
    if together is not None:
        _, entry = np.unique(together, return_inverse=True)
        tops = np.zeros(int(entry.max()) + 1)
        np.maximum.at(tops, entry, values)
    return None if len(tops) < 2 else float(np.partition(tops, -2)[-2])


def _mixed(own: Float64, counted: float, prior: Float64, strength: float) -> tuple[Float64, Float64]:
    """Atoms of the posterior's mean law, and what each counts as."""
    weight = np.full(len(own), counted / len(own)), np.full(len(prior), strength / max(len(prior), 1))
    return np.concatenate([own, prior]), np.concatenate(weight)


def _groups(segment: npt.ArrayLike, count: int) -> tuple[list[Hashable], Int64]:
    labels = np.asarray(segment)
    if labels.shape != (count,):
        raise InputError("segment", str(labels.shape), f"give one label per value: {count}")
    if labels.dtype.kind not in "iuU":
        raise InputError("segment", str(labels.dtype), "give whole numbers or strings")
    label, group = np.unique(labels, return_inverse=True)
    return label.tolist(), group.astype(np.int64)


def _clusters(cluster: npt.ArrayLike, group: Int64) -> Int64:
    """Clusters within segments, as numbers from 0."""
    pairs = np.stack([group, as_clusters(cluster, len(group))])
    found: Int64 = np.unique(pairs, axis=1, return_inverse=True)[1].ravel().astype(np.int64)
    return found


def _counted(group: Int64, together: Int64 | None, correlation: float) -> Float64:
    """How many independent values each segment has."""
    if together is None:
        return np.bincount(group).astype(np.float64)
    size = np.bincount(together)
    owner = np.zeros(len(size), np.int64)
    owner[together] = group
    return np.bincount(owner, size / (1 + (size - 1) * correlation)).astype(np.float64)


def _correlations(column: Float64, group: Int64, together: Int64 | None) -> tuple[float | None, float]:
    """Correlation of "value >= t" for two values of one segment, and what one cluster adds to it.

    The first is of values in different clusters, null where no segment has two; the second is 0 without
    clusters.
    """
    each = np.arange(len(column))
    inner = each if together is None else together
    found = _correlation(column, group, inner)
    if together is None:
        return found, 0.0
    same = _correlation(column, together, each)
    base = max(found or 0.0, 0.0)
    added = 0.0 if same is None or base >= 1 else (same - base) / (1 - base)
    return found, float(np.clip(added, 0.0, 1.0))


def _correlation(column: Float64, outer: Int64, inner: Int64) -> float | None:
    """Mean product of the deviations of two values in one outer and two inner groups, over the variance.

    The product's sum over pairs is (sum of the outer group)^2 less those of its inner groups. A group weighs
    as many values as it has, which makes 1 - sum of squared shares the factor that measuring deviations from
    the mean of the same values takes away.
    """
    size = np.bincount(outer).astype(np.float64)
    owner = np.zeros(int(inner.max()) + 1, np.int64)
    owner[inner] = outer
    pairs = size**2 - np.bincount(owner, np.bincount(inner).astype(np.float64) ** 2, len(size))
    weight = 1 / np.maximum(size, 1)
    lost = 1 - float(((size / size.sum()) ** 2).sum())
    if pairs.sum() <= 0 or lost <= 0:
        return None
    product = variance = 0.0
    for threshold in np.unique(np.quantile(column, _THRESHOLDS, method="higher")):
        meets = (column >= threshold).astype(np.float64)
        deviation = meets - meets.mean()
        inside = np.bincount(owner, np.bincount(inner, deviation) ** 2, len(size))
        product += float((weight * (np.bincount(outer, deviation, len(size)) ** 2 - inside)).sum())
        variance += float(meets.mean() * (1 - meets.mean()))
    if variance <= 0:
        return None
    return product / float((weight * pairs).sum()) / lost / variance


def _concentration(correlation: float | None) -> float:
    if correlation is None:
        return UNKNOWN_CONCENTRATION
    if correlation <= 0:
        return MOST_CONCENTRATION
    return float(np.clip(1 / correlation - 1, LEAST_CONCENTRATION, MOST_CONCENTRATION))


def _thin(column: Float64, most: int) -> Float64:
    """At most `most` of the values, equally spaced by rank: a law that is close enough, at a bounded cost."""
    if len(column) <= most:
        return column
    ranks = ((np.arange(most) + 0.5) / most * len(column)).astype(np.int64)
    thinned: Float64 = np.sort(column)[ranks]
    return thinned
