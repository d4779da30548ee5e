"""Contracts and exchange blended at dual prices: bid-price control.

Each contract has a price v_a per impression. An impression is worth c = max(0, max_a(weight * q_a - v_a))
to the contracts; it is offered to the exchange at the reserve that is best where an unsold impression is
worth c, and goes to the contract that attains the maximum where the exchange does not take it. The prices
are the multipliers of the contracts' shares in the problem of `auction.blend.contracts`: the minimum of

    D(v) = mean over n of R(c_n(v)) + sum of share_a v_a,      v_a >= -shortfall_cost,

which is convex, and by weak duality an upper bound on any policy's yield at every v.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from auction.blend.contracts import Contracts
from auction.blend.exchange import ExchangeCurve
from auction.slate import Float64, Int64

NOBODY = -1
WARM, COLD = (0.3, 0.1, 0.03, 0.01), (0.003, 0.001, 0.0003)
"""Temperatures, as shares of an impression's mean worth to a contract."""
FIRST = 4_000
"""Impressions that the warm temperatures are run on."""
SWEEPS = 5
HALVINGS = 60


@dataclass(frozen=True, slots=True)
class Yield:
    """What a policy makes of a sample, per impression."""

    revenue: float
    """Of the exchange."""
    quality: float
    """Of contract impressions in money; none beyond a contract's share, where more is delivered."""
    shortfall_cost: float
    delivered: Float64
    """[contracts], share of all impressions that each contract got."""

    @property
    def total(self) -> float:
        return self.revenue + self.quality - self.shortfall_cost


@dataclass(frozen=True, slots=True)
class BidPrices:
    """The policy: dual prices, and what they were found for."""

    curve: ExchangeCurve
    contracts: Contracts
    price: Float64
    """[contracts] v_a, per impression; negative where a contract must be pushed."""

    def decide(self, quality: Float64) -> tuple[Int64, Int64]:
        """Level of the exchange's reserve, and the contract served if it does not sell (or `NOBODY`).

        Args:
            quality: [impressions, contracts], 0 where not eligible.
        """
        gain = self.contracts.worth(quality) - self.price
        best = gain.argmax(axis=1) if gain.shape[1] else np.zeros(len(gain), np.int64)
        cost = np.maximum(gain.max(axis=1, initial=0.0), 0.0)
        wanted = np.where(cost > 0, best, NOBODY)
        return self.curve.level(cost), wanted.astype(np.int64)

    def bound(self, quality: Float64) -> float:
        """D(v): no policy yields more on these impressions, per impression."""
        gain = self.contracts.worth(quality) - self.price
        worth = self.curve.value(np.maximum(gain.max(axis=1, initial=0.0), 0.0))
        return float(worth.mean() + self.contracts.share @ self.price)

    def expected(self, quality: Float64) -> Yield:
        """The policy's yield on these impressions in expectation over the exchange's bids.

        Quality beyond a contract's share counts for nothing, so the total is at most the optimum.
        """
        level, contract = self.decide(quality)
        served = contract != NOBODY
        unsold = (1 - self.curve.sold[level])[served]
        worth = self.contracts.worth(quality)[served, contract[served]]
        size = len(self.contracts.share)
        delivered = np.bincount(contract[served], unsold, size) / len(quality)
        gained = np.bincount(contract[served], unsold * worth, size) / len(quality)
        return _yield_of(self.contracts, float(self.curve.revenue[level].mean()), delivered, gained)

    def serve(self, quality: Float64, generator: np.random.Generator, step: float = 0.0) -> Yield:
        """Serve the impressions one after the other: the exchange is drawn, a filled contract stops.

        Args:
            quality: [impressions, contracts], in order of arrival.
            generator: draws whether the exchange buys.
            step: how far one delivered impression moves its contract's price, in money; a contract that
                is behind its share becomes cheaper, one ahead of it dearer (dual descent, Balseiro, Lu
                and Mirrokni 2023). 0 keeps the prices.
        """
        share = self.contracts.share
        left = np.rint(share * len(quality))
        price = self.price.copy()
        worth = self.contracts.worth(quality)
        draw = generator.random(len(quality))
        revenue, floor = 0.0, -self.contracts.shortfall_cost
        delivered, gained = np.zeros(len(share)), np.zeros(len(share))
        for n in range(len(quality)):
            gain = np.where(left > 0, worth[n] - price, -np.inf)
            best = int(gain.argmax()) if len(gain) else NOBODY
            cost = max(float(gain[best]), 0.0) if len(gain) else 0.0
            level = int(self.curve.level(cost))
            revenue += float(self.curve.revenue[level])
            price -= step * share
            if cost > 0 and draw[n] >= self.curve.sold[level]:
                left[best] -= 1
                delivered[best] += 1
                gained[best] += worth[n, best]
                price[best] += step
            np.maximum(price, floor, out=price)
        size = len(quality)
        return _yield_of(self.contracts, revenue / size, delivered / size, gained / size)


def dual_prices(curve: ExchangeCurve, contracts: Contracts, quality: Float64) -> BidPrices:
    """Prices at which the policy delivers each contract's share of the sample, where it can.

    D is minimised with its maximum over contracts softened, by L-BFGS-B, at falling temperatures: first on
    a part of the sample, then on all. Then each price in turn is set to the highest at which its contract
    gets what is due, others held; of the prices before and after, those of the greater yield are kept.
    `BidPrices.bound` against `BidPrices.expected` says how close to the optimum they are.

    Args:
        quality: [impressions, contracts], 0 where not eligible.
    """
    worth = contracts.worth(quality)
    price = np.zeros(len(contracts.share))
    if not np.isfinite(worth).any():
        return BidPrices(curve, contracts, np.full_like(price, -contracts.shortfall_cost))
    unit = float(worth[np.isfinite(worth)].mean()) or float(curve.slope[0])
    stride = max(1, len(worth) // FIRST)
    for part, temperatures in ((worth[::stride], WARM), (worth, COLD)):
        for temperature in temperatures:
            price = _soft_minimum(curve, contracts, part, price, temperature, unit)
    found = BidPrices(curve, contracts, price)
    settled = BidPrices(curve, contracts, _settled(curve, contracts, worth, price))
    return max(found, settled, key=lambda one: one.expected(quality).total)


def _soft_minimum(
    curve: ExchangeCurve,
    contracts: Contracts,
    worth: Float64,
    price: Float64,
    temperature: float,
    unit: float,
) -> Float64:
    """Minimise D with c = t log(1 + sum over contracts of exp((worth - price) / t)), t = temperature * unit.

    Where contracts compete for the same impressions the minimum lies in a narrow valley of kinks; softened
    they are slopes, and the error in D is at most t log(1 + contracts).
    """
    degree = temperature * unit

    def dual(scaled: Float64) -> tuple[float, Float64]:
        gain = worth - scaled * unit
        top = np.maximum(gain.max(axis=1), 0.0)
        weight = np.exp((gain - top[:, None]) / degree)
        total = weight.sum(axis=1) + np.exp(-top / degree)
        cost = top + degree * np.log(total)
        unsold = 1 - curve.sold[curve.level(cost)]
        value = curve.value(cost).mean() / unit + contracts.share @ scaled
        return float(value), contracts.share - (unsold / total) @ weight / len(worth)

    found = minimize(
        dual,
        price / unit,
        jac=True,
        method="L-BFGS-B",
        bounds=[(-contracts.shortfall_cost / unit, None)] * len(price),
        options={"maxiter": 300, "maxcor": 30, "ftol": 1e-12, "gtol": 1e-7},
    )
    best: Float64 = found.x * unit
    return best


def _settled(curve: ExchangeCurve, contracts: Contracts, worth: Float64, price: Float64) -> Float64:
    """One price after the other at which its contract gets what is due; stops where none moves."""
    price = price.copy()
    rows = [worth[np.isfinite(worth[:, a])] for a in range(len(price))]
    scale = max(float(np.max(worth)), float(curve.slope[0]))
    for _ in range(SWEEPS):
        before = price.copy()
        for a, block in enumerate(rows):
            rival = np.delete(block - price, a, axis=1).max(axis=1, initial=0.0)
            due = contracts.share[a] * len(worth)
            price[a] = _price_for(curve, block[:, a], np.maximum(rival, 0.0), due, -contracts.shortfall_cost)
        if np.abs(price - before).max() <= 1e-9 * scale:
            break
    return price


def _price_for(
    curve: ExchangeCurve, worth: Float64, rival: npt.NDArray[np.float64], due: float, floor: float
) -> float:
    """The highest price at which one contract gets `due` impressions, not below `floor`."""

    def delivered(price: float) -> float:
        gain = worth - price
        wins = gain > rival
        return float((1 - curve.sold[curve.level(gain[wins])]).sum())

    low, high = floor, max(float(np.max(worth, initial=0.0)), floor)
    if delivered(low) < due:
        return low
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        if not low < middle < high:
            break
        low, high = (middle, high) if delivered(middle) >= due else (low, middle)
    return low


def _yield_of(contracts: Contracts, revenue: float, delivered: Float64, gained: Float64) -> Yield:
    counted = np.minimum(1.0, contracts.share / np.maximum(delivered, 1e-300))
    short = np.maximum(contracts.share - delivered, 0.0)
    return Yield(
        revenue=revenue,
        quality=float(gained @ counted),
        shortfall_cost=contracts.shortfall_cost * float(short.sum()),
        delivered=delivered,
    )
