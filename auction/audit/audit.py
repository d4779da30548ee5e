"""Audit a mechanism over slates: regret by slots, what each rule costs, identities."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from auction.audit.identities import Identity, check_identities
from auction.audit.misreport import BestResponse, best_responses
from auction.audit.report import AuditReport, RegretRow
from auction.batch import SlateBatch
from auction.errors import InputError
from auction.policy import MAX_ADS, AuctionPolicy, Pricing
from auction.shadow import shadow_prices

SLOTS = (1, 2, 3, 4, 6, 8)
"""Most ads of a page, one row of regret each."""

SLATES_AT_ONCE = 32

NOTES = (
    "Bids, after pacing, are taken as values, and all other bids as fixed: nobody reacts, and what a request "
    "costs does not run out a budget that a later one needs.",
    "An ad is asked for its best bid in the market that its price is taken in: without its advertiser's "
    "other ads.",
    "With one slot the second price may still leave a gain where the page has several places for it: a "
    "lower bid can buy a lesser one.",
)

Progress = Callable[[int, int], None]
"""Called with the slates done and their total, slots and rules counted apart."""


def audit(
    batch: SlateBatch,
    policy: AuctionPolicy,
    *,
    slots: Sequence[int] = SLOTS,
    source: str = "slates",
    more: Sequence[Identity] = (),
    progress: Progress | None = None,
) -> AuditReport:
    """Audit `policy`, with its own rules but for `max_ads` and `pricing`, over `batch`.

    Args:
        batch: the slates; every shown ad of each is asked for its best bid.
        policy: its exposure must be set.
        slots: the most ads of a page to measure regret at.
        source: where the slates came from, for the report.
        more: identities that were checked elsewhere, such as those of a log.
        progress: called as slates are done.

    Raises:
        InputError: no slate, slots outside 1 .. 32, or as `hold_auctions`.
    """
    if len(batch) == 0:
        raise InputError("slates", 0, "give at least one slate")
    for at, most in enumerate(slots):
        if not 1 <= most <= MAX_ADS:
            raise InputError(f"slots[{at}]", most, f"give 1 to {MAX_ADS}")
    identities = (*check_identities(batch, policy), *more)
    total, done = len(slots) * len(batch), 0
    rows: list[RegretRow] = []
    for most in slots:
        rules = policy.rules.model_copy(update={"max_ads": most})
        parts: dict[Pricing, list[BestResponse]] = {pricing: [] for pricing in Pricing}
        for part in _parts(batch):
            for pricing, found in best_responses(part, policy.model_copy(update={"rules": rules})).items():
                parts[pricing].append(found)
            done += len(part)
            if progress is not None:
                progress(done, total)
        rows += [regret_row(pricing, most, found) for pricing, found in parts.items()]
    left = [row.beyond_rounding_micros for row in rows if row.pricing is Pricing.VCG]
    truthful = None if policy.soft_floor is not None else not any(left)
    return AuditReport(
        source=source,
        policy=policy.name,
        policy_hash=policy.hash,
        slates=len(batch),
        ads=len(batch.ad_id),
        regret=tuple(sorted(rows, key=lambda row: (list(Pricing).index(row.pricing), row.slots))),
        shadow=tuple(shadow_prices(batch, policy)),
        identities=identities,
        vcg_is_truthful=truthful,
        notes=NOTES,
    )


def regret_row(pricing: Pricing, slots: int, found: Sequence[BestResponse]) -> RegretRow:
    """Sum up best responses under one rule."""
    shown = np.concatenate([part.shown for part in found])
    gain = np.concatenate([part.gain_micros for part in found])
    gains = np.concatenate([part.gains for part in found])
    exact = np.concatenate([part.exact for part in found])
    beyond = np.concatenate([part.gain_micros - part.rounding_micros for part in found])[exact]
    utility = np.concatenate([part.utility_micros for part in found])[shown]
    value = np.concatenate([part.value_micros for part in found])
    best = np.concatenate([part.best_bid_micros for part in found])
    advertiser = np.concatenate([part.advertiser_id for part in found])
    moved = gains & shown
    shade = 1.0 - best[moved] / np.maximum(value[moved], 1)
    bidders, gainers = np.unique(advertiser[shown]), np.unique(advertiser[moved])
    got = gain[shown]
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(moved[shown], got / utility, 0.0)
    percentile = float(np.quantile(relative, 0.95, method="higher")) if len(got) else 0.0
    return RegretRow(
        pricing=pricing,
        slots=slots,
        ads=len(got),
        advertisers=len(bidders),
        ads_gaining=float(moved.sum()) / max(len(got), 1),
        advertisers_gaining=len(gainers) / max(len(bidders), 1),
        mean_gain_micros=float(got.mean()) if len(got) else 0.0,
        p95_gain_micros=float(np.quantile(got, 0.95)) if len(got) else 0.0,
        gain_of_utility=float(got.sum() / utility.sum()) if utility.sum() > 0 else None,
        p95_gain_of_utility=percentile if np.isfinite(percentile) else None,
        shaded=float(np.mean(shade > 0)) if len(shade) else 0.0,
        mean_shade=float(shade.mean()) if len(shade) else None,
        inexact=int(np.count_nonzero(~exact)),
        beyond_rounding_micros=max(float(beyond.max(initial=0.0)), 0.0),
    )


def _parts(batch: SlateBatch) -> Iterator[SlateBatch]:
    for start in range(0, len(batch), SLATES_AT_ONCE):
        yield batch.take(np.arange(start, min(start + SLATES_AT_ONCE, len(batch))))
