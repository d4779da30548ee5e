"""Made-up slates from a seed: to try a policy, to test and to measure without a log of one's own."""

import numpy as np
import numpy.typing as npt

from auction.batch import SlateBatch
from auction.billable import Billable, Grade, event_probability
from auction.errors import InputError

MICROS = 1_000_000
CAMPAIGNS_EACH = 2
"""Campaigns of one advertiser; an ad belongs to one of them for good."""

CATEGORIES = 12
"""Categories of advertisers, one each."""

MAX_CELLS = 50_000_000


def sample_slates(
    generator: np.random.Generator,
    count: int,
    ads: int | tuple[int, int],
    organics: int | tuple[int, int],
    *,
    advertisers: int = 40,
    billables: tuple[Billable, ...] = tuple(Billable),
    paced: float = 0.3,
) -> SlateBatch:
    """`count` slates with an ad market of its own scale: eCPMs are comparable across billable events.

    Clicks per look are Beta(2, 40) (5 %), conversions per click Beta(2, 38); a bid is worth about .02
    of a unit of currency per look, log-normal. An organic item's utility is uniform in [0, 1).

    Args:
        generator: draws everything; equal states give equal slates.
        count: slates.
        ads: candidates per slate, or the smallest and the largest number of them.
        organics: organic items per slate, likewise.
        advertisers: who bid; a small number makes siblings meet in one slate.
        billables: events that are paid for.
        paced: share of candidates whose multiplier is below 1.

    Raises:
        InputError: more than `MAX_CELLS` candidates or items at once.
    """
    n = _counts(generator, count, ads)
    k = _counts(generator, count, organics)
    total, items = int(n.sum()), int(k.sum())
    if max(total, items) > MAX_CELLS:
        raise InputError("count", count, f"at most {MAX_CELLS} candidates or organic items at once")
    billable = np.array(billables, np.int8)[generator.integers(0, len(billables), total)]
    p_click = generator.beta(2, 40, total)
    p_conversion = generator.beta(2, 38, total)
    p_view = generator.beta(4, 12, total)
    worth = 0.02 * MICROS * np.exp(0.6 * generator.standard_normal(total))
    event = event_probability(billable, np.full(total, 0.05), np.full(total, 0.0025), 0.25)
    advertiser = generator.integers(1, advertisers + 1, total)
    ad_start = np.concatenate([[0], np.cumsum(n)]).astype(np.int64)
    # Ids rise within a slate, so that no ad stands in it twice; the tie rule does not read their order.
    place = np.arange(total) - np.repeat(ad_start[:-1], n)
    return SlateBatch.filled(
        seed=generator.integers(0, 2**64, count, np.uint64),
        positions_since_ad=generator.integers(-1, 6, count),
        ad_start=ad_start,
        organic_start=np.concatenate([[0], np.cumsum(k)]).astype(np.int64),
        ad_id=place * 1_000 + generator.integers(0, 1_000, total) + 1,
        advertiser_id=advertiser,
        category_id=1 + advertiser % CATEGORIES,
        campaign_id=advertiser * CAMPAIGNS_EACH + generator.integers(0, CAMPAIGNS_EACH, total),
        billable=billable,
        bid_micros=_rounded(worth / event),
        multiplier=np.where(generator.random(total) < paced, 0.2 + 0.8 * generator.random(total), 1.0),
        p_click=p_click,
        p_conversion_given_click=p_conversion,
        p_click_conversion=p_click * p_conversion,
        p_view=p_view,
        p_save=generator.beta(2, 100, total),
        p_hide=generator.beta(2, 500, total),
        tolerance=generator.integers(0, len(Grade), total).astype(np.int8),
        relevance=generator.random(total),
        organic_utility=generator.random(items),
        organic_grade=generator.choice(np.array(Grade, np.int8), items, p=(0.6, 0.3, 0.1)),
    )


def _rounded(bid: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Three significant digits, as people bid."""
    step = 10.0 ** np.maximum(np.floor(np.log10(bid)) - 2, 0)
    whole: npt.NDArray[np.int64] = np.maximum(np.rint(bid / step) * step, 1).astype(np.int64)
    return whole


def _counts(generator: np.random.Generator, count: int, size: int | tuple[int, int]) -> npt.NDArray[np.int64]:
    low, high = (size, size) if isinstance(size, int) else size
    return generator.integers(low, high + 1, count)
