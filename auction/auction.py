"""Hold an auction in a blended feed: the layout of greatest value, a price per ad, a reason per loser.

The mechanism is stated in ``docs/auction.md``. Everything is decided in integers, so the same slate
and policy give the same outcome bit for bit, alone or in a batch, on every machine.
"""

import math

import numpy as np

from auction import pricing, score
from auction.batch import OutcomeBatch, SlateBatch
from auction.bid import BID_LIMIT, VALUE_LIMIT, VALUE_ONE
from auction.columns import Columns, Results, Scratch, Terms
from auction.errors import InputError
from auction.feed import CELL_LIMIT, decide_feeds
from auction.outcome import Outcome
from auction.plain import decide_plains
from auction.policy import AuctionPolicy, Pricing
from auction.slate import Slate

ADS_LIMIT = 100_000
"""Most ads of one slate."""

ORGANICS_LIMIT = 4_096
"""Most organic items of one slate."""

_PRICING = {
    Pricing.FIRST_PRICE: pricing.FIRST_PRICE,
    Pricing.SECOND_PRICE: pricing.SECOND_PRICE,
    Pricing.VCG: pricing.VCG,
}

_LIMIT_MICROS = VALUE_LIMIT // VALUE_ONE

_REFUSALS = {
    score.BAD_BID: ("bid_micros", f"give whole micros from 0 to {BID_LIMIT}"),
    score.BAD_MULTIPLIER: ("multiplier", "give a number above 0, at most 1"),
    score.BAD_BILLABLE: ("billable", "give a code of Billable: 0, 1 or 2"),
    score.BAD_TOLERANCE: ("tolerance", "give a code of Grade: 0, 1 or 2"),
    score.BAD_AD_ID: ("ad_id", "give every ad once"),
    score.BAD_UTILITY: (
        "organic_utility",
        f"give a finite number worth at most {_LIMIT_MICROS} micros at the exchange rate",
    ),
    score.BAD_GRADE: ("organic_grade", "give a code of Grade: 0, 1 or 2"),
}


def hold_auction(slate: Slate, policy: AuctionPolicy) -> Outcome:
    """Decide one request.

    Args:
        slate: n ads and k organic items; ads with unusable scores lose with ``Reason.INVALID``.
        policy: its exposure must be set.

    Returns:
        Outcome: columns of length n in the slate's order.

    Raises:
        InputError: the policy has no exposure or one that rises; a bid is negative, a multiplier is
            outside (0, 1], a code unknown, an ad twice, a column of another length or type, an
            organic utility not finite. Names ``field[index]``.
    """
    return _hold(SlateBatch.of([slate]), policy)[0]


def hold_auctions(batch: SlateBatch, policy: AuctionPolicy) -> OutcomeBatch:
    """Decide many requests with the code that decides one.

    Raises:
        InputError: as `hold_auction`; the index counts within the slate, and a batch of more than one
            names ``slate[n].field[index]``.
    """
    return _hold(batch.checked(), policy)


def _hold(batch: SlateBatch, policy: AuctionPolicy, general: bool = False) -> OutcomeBatch:
    """Decide a checked batch; `general` never takes the short cut for plain auctions."""
    terms = terms_of(policy)
    ads = np.diff(batch.ad_start)
    organics = np.diff(batch.organic_start)
    for name, sizes, limit in (("ad_id", ads, ADS_LIMIT), ("organic_utility", organics, ORGANICS_LIMIT)):
        if len(sizes) and sizes.max() > limit:
            at = int(sizes.argmax())
            raise InputError(_field(batch, at, name), int(sizes[at]), f"give at most {limit} per slate")
    results = _new_results(len(batch), len(batch.ad_id))
    scratch = _new_scratch(int(ads.max(initial=0)), terms.max_ads)
    columns = Columns(*(_read_only(getattr(batch, name)) for name in Columns._fields))
    plain = not general and len(batch.organic_utility) == 0 and _is_plain(terms)
    decide = decide_plains if plain else decide_feeds
    code, slate, entry = (int(x) for x in decide(columns, terms, results, scratch))
    if code != score.OK:
        raise _refusal(batch, code, slate, entry)
    return OutcomeBatch.of(batch.ad_start, results)


def _is_plain(terms: Terms) -> bool:
    """Whether slates without organic items are plain position auctions under these rules."""
    side_by_side = terms.min_gap == 1 and terms.first_position == 1 and terms.ad_last
    return side_by_side and terms.one_per_advertiser and len(terms.gap_effect) == 0


def terms_of(policy: AuctionPolicy) -> Terms:
    """The policy's numbers.

    Raises:
        InputError: no exposure, or examination that increases from one position to the next.
    """
    if policy.exposure is None:
        raise InputError("policy.exposure", None, "set it; the engine resolves it from the model bundle")
    examination = np.array(policy.exposure.examination, np.float64)
    rises = np.flatnonzero(examination[1:] > examination[:-1])
    if len(rises):
        at = int(rises[0]) + 1
        raise InputError(f"policy.exposure.examination[{at}]", float(examination[at]), "let it not increase")
    gap_effect = list(policy.exposure.gap_effect)
    while gap_effect and gap_effect[-1] == 1.0:
        gap_effect.pop()
    rules, reserve, quality = policy.rules, policy.reserve, policy.quality
    for name, weight in (("save", quality.save_micros), ("click", quality.click_micros)):
        if not math.isfinite(weight):
            raise InputError(f"policy.quality.{name}_micros", weight, "give a finite number")
    return Terms(
        pricing=_PRICING[policy.pricing],
        first_position=rules.first_position,
        min_gap=rules.min_gap,
        max_ads=rules.max_ads,
        max_share=rules.max_share,
        ad_last=rules.ad_last,
        one_per_advertiser=rules.one_per_advertiser,
        adjacency=rules.adjacency,
        relevance_floor=rules.relevance_floor,
        examination=_read_only(examination),
        gap_effect=_read_only(np.array(gap_effect, np.float64)),
        reserve=_read_only(
            np.array([reserve.impression_micros, reserve.click_micros, reserve.conversion_micros], np.int64)
        ),
        save_micros=quality.save_micros,
        click_micros=quality.click_micros,
        hide_micros=quality.hide_micros,
        exchange_rate=policy.exchange_rate,
    )


def _read_only(column: np.ndarray) -> np.ndarray:
    """A read-only view: one compiled signature, whether or not the caller's memory may be written."""
    view = column.view()
    view.flags.writeable = False
    return view


def _new_results(slates: int, ads: int) -> Results:
    return Results(
        np.zeros(ads, np.int64),
        np.zeros(ads, np.float64),
        np.zeros(ads, np.int64),
        np.zeros(ads, np.int8),
        np.zeros(ads, np.int64),
        np.zeros(ads, np.int8),
        np.zeros(slates, np.float64),
        np.zeros(slates, np.float64),
        np.zeros(slates, np.float64),
    )


def _new_scratch(widest: int, max_ads: int) -> Scratch:
    table = 1 << (2 * widest + 1).bit_length()
    return Scratch(
        np.zeros(widest, np.int64),
        np.zeros(widest, np.float64),
        np.zeros(widest, np.int64),
        np.zeros(widest, np.int64),
        np.zeros(widest, np.int64),
        np.zeros(widest, np.int64),
        np.zeros(max_ads + 1, np.int64),
        np.zeros(max_ads + 1, np.int64),
        np.zeros(table, np.int64),
        np.zeros(table, np.int64),
    )


def _field(batch: SlateBatch, slate: int, name: str) -> str:
    return name if len(batch) == 1 else f"slate[{slate}].{name}"


def _refusal(batch: SlateBatch, code: int, slate: int, entry: int) -> InputError:
    if code == score.TOO_LARGE:
        fix = f"allow fewer ads or gap effects: {entry} states, at most {CELL_LIMIT}"
        return InputError("policy.rules.max_ads", entry, fix)
    name, fix = _REFUSALS[code]
    column = getattr(batch, name)
    start = batch.organic_start if name.startswith("organic") else batch.ad_start
    value = column[int(start[slate]) + entry].item()
    return InputError(f"{_field(batch, slate, name)}[{entry}]", value, fix)
