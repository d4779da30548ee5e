"""The best that any policy can make of a sample of impressions, by linear programming."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_matrix

from auction.blend.contracts import Contracts
from auction.blend.exchange import ExchangeCurve
from auction.errors import AuctionError
from auction.slate import Float64


@dataclass(frozen=True, slots=True)
class Optimum:
    """The optimum of `auction.blend.contracts`' problem on one sample, per impression."""

    total: float
    delivered: Float64
    """[contracts], share of all impressions."""
    price: Float64
    """[contracts], the multipliers of the shares."""


def optimum(curve: ExchangeCurve, contracts: Contracts, quality: Float64) -> Optimum:
    """Solve the sample's linear programme with HiGHS (Huangfu and Hall 2018).

    A choice between levels of the exchange is written by the edges of its concave envelope: t_nk is how
    far impression n is sold along edge k, in [0, width_k], and its steepest edges fill first because
    they pay most. It is exact, and has one row an impression and one a contract.

    Args:
        quality: [impressions, contracts], 0 where not eligible.

    Raises:
        AuctionError: HiGHS found no optimum.
    """
    worth = contracts.worth(quality)
    m, size = quality.shape
    rising = curve.slope > 0
    slope, width = curve.slope[rising], np.diff(curve.sold)[rising]
    row, contract = np.nonzero(np.isfinite(worth))
    sold = np.arange(m * len(slope))
    pairs = m * len(slope) + np.arange(len(row))
    short = m * len(slope) + len(row) + np.arange(size)
    gain = np.concatenate(
        [np.tile(slope, m), worth[row, contract], np.full(size, -contracts.shortfall_cost * m)]
    )
    count = len(gain)
    once = coo_matrix(
        (np.ones(len(sold) + len(pairs)), (np.concatenate([sold // len(slope), row]), np.r_[sold, pairs])),
        shape=(m, count),
    )
    promised = coo_matrix(
        (
            np.r_[np.ones(len(pairs)), np.full(size, float(m))],
            (np.r_[contract, np.arange(size)], np.r_[pairs, short]),
        ),
        shape=(size, count),
    )
    upper = np.concatenate([np.tile(width, m), np.ones(len(row)), np.full(size, np.inf)])
    found = linprog(
        -gain,
        A_ub=once.tocsr(),
        b_ub=np.ones(m),
        A_eq=promised.tocsr(),
        b_eq=contracts.share * m,
        bounds=np.stack([np.zeros(count), upper], axis=1),
        method="highs",
    )
    if not found.success:
        raise AuctionError(f"linear programme of {m} impressions: {found.message}")
    delivered = np.bincount(contract, found.x[pairs], size) / m
    return Optimum(-float(found.fun) / m, delivered, -np.asarray(found.eqlin.marginals))
