"""Hold an auction in a blended feed: the layout of greatest value, a price per ad, a reason per loser.

The mechanism is stated in ``docs/auction.md``. Everything is decided in integers, so the same slate
and policy give the same outcome bit for bit, alone or in a batch, on every machine.
"""

from operator import attrgetter

import numpy as np

from auction import grid, pricing, score
from auction.batch import GROUPS, OutcomeBatch, SlateBatch
from auction.bid import BID_LIMIT, VALUE_LIMIT, VALUE_ONE
from auction.columns import Columns, Results, Terms
from auction.errors import InputError
from auction.feed import CELL_LIMIT, decide_feeds
from auction.outcome import Outcome
from auction.plain import decide_plains
from auction.policy import AuctionPolicy, Pricing, Reserve
from auction.room import Room
from auction.slate import Slate

CANDIDATES_LIMIT = 100_000
"""Most ads of one slate, shown or not."""

ORGANICS_LIMIT = 4_096
"""Most organic items of one slate."""

BRANCHES = 24
"""Measured: fewer make common pages pay for what only rare ones need."""

_PRICING = {
    Pricing.FIRST_PRICE: pricing.FIRST_PRICE,
    Pricing.SECOND_PRICE: pricing.SECOND_PRICE,
    Pricing.VCG: pricing.VCG,
}

_ROOM = Room()

_RESULTS: tuple[tuple[bool, type[np.generic]], ...] = (
    (False, np.int64),
    (False, np.float64),
    (False, np.int64),
    (False, np.int8),
    (False, np.int64),
    (False, np.int8),
    (True, np.float64),
    (True, np.float64),
    (True, np.float64),
    (True, np.int8),
)
"""Of each column of `Results`: whether it has an entry per slate rather than per ad, and its type."""

_COLUMNS = attrgetter(*Columns._fields)

_LIMIT_MICROS = VALUE_LIMIT // VALUE_ONE

_REFUSALS = {
    score.BAD_BID: ("bid_micros", f"give whole micros from 0 to {BID_LIMIT}"),
    score.BAD_MULTIPLIER: ("multiplier", "give a number above 0, at most 1"),
    score.BAD_BILLABLE: ("billable", "give a code of Billable: 0 to 3"),
    score.BAD_GOAL: ("goal", "give a code of Billable: 0 to 3"),
    score.BAD_RESERVE: ("reserve_micros", f"give whole micros from 0 to {BID_LIMIT}"),
    grid.BAD_HOLD: ("hold", "give a code of Hold: 0 to 3"),
    grid.BEYOND_PAGE: ("hold", "hold no position that the page cannot reach"),
    grid.TOO_MANY_KEPT: ("hold", f"reserve at most {grid.KEPT_LIMIT} positions for ads"),
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


def _hold(
    batch: SlateBatch, policy: AuctionPolicy, general: bool = False, branches: int = BRANCHES
) -> OutcomeBatch:
    """Decide a checked batch; `general` never takes the short cut for plain auctions."""
    terms = _terms_of(policy, branches)
    slates, ads = len(batch.seed), len(batch.ad_id)
    if slates > 1 or ads > CANDIDATES_LIMIT or len(batch.organic_utility) > ORGANICS_LIMIT:
        _check_sizes(batch)
    results = _new_results(slates, ads)
    columns = Columns(*map(_read_only, _COLUMNS(batch)))
    bare = len(batch.organic_utility) == 0 and len(batch.hold) == 0
    decide = decide_plains if bare and not general and _is_plain(terms) else decide_feeds
    code, slate, entry = decide(columns, terms, results).tolist()
    if code != score.OK:
        raise _refusal(batch, code, slate, entry)
    return OutcomeBatch.of(batch.ad_start, results)


def _check_sizes(batch: SlateBatch) -> None:
    for name, start, limit in (
        ("ad_id", batch.ad_start, CANDIDATES_LIMIT),
        ("organic_utility", batch.organic_start, ORGANICS_LIMIT),
    ):
        sizes = np.diff(start)
        if len(sizes) and sizes.max() > limit:
            at = int(sizes.argmax())
            raise InputError(_field(batch, at, name), int(sizes[at]), f"give at most {limit} per slate")


def _is_plain(terms: Terms) -> bool:
    """Whether slates without organic items are plain position auctions under these rules."""
    side_by_side = terms.wanted_gap == 1 and terms.first_position == 1 and terms.ad_last
    alone = terms.one_per_advertiser and not terms.one_per_category
    unbound = terms.min_organics == 0 and terms.max_share_of_safe < 0
    return side_by_side and alone and unbound and len(terms.gap_effect) == 0


def _terms_of(policy: AuctionPolicy, branches: int) -> Terms:
    """The policy's numbers, kept with it like its hash, since a policy never changes."""
    kept: Terms | None = policy.__dict__.get("terms")
    if kept is None or kept.branches != branches:
        kept = policy.__dict__["terms"] = _new_terms(policy, branches)
    return kept


def _new_terms(policy: AuctionPolicy, branches: int) -> Terms:
    """The policy's numbers.

    Raises:
        InputError: no exposure.
    """
    if policy.exposure is None:
        raise InputError("policy.exposure", None, "set it; the engine resolves it from the model bundle")
    examination = np.array(policy.exposure.examination, np.float64)
    gap_effect = list(policy.exposure.gap_effect)
    while gap_effect and gap_effect[-1] == 1.0:
        gap_effect.pop()
    rules, quality = policy.rules, policy.quality
    return Terms(
        pricing=_PRICING[policy.pricing],
        first_position=rules.first_position,
        min_gap=rules.min_gap,
        wanted_gap=rules.min_gap if rules.wanted_gap is None else rules.wanted_gap,
        max_ads=rules.max_ads,
        max_share=rules.max_share,
        max_share_of_safe=-1.0 if rules.max_share_of_safe is None else rules.max_share_of_safe,
        min_organics=rules.min_organics,
        ad_last=rules.ad_last,
        one_per_advertiser=rules.one_per_advertiser,
        one_per_category=rules.one_per_category,
        adjacency=rules.adjacency,
        relevance_floor=rules.relevance_floor,
        examination=_read_only(examination),
        gap_effect=_read_only(np.array(gap_effect, np.float64)),
        reserve=_read_only(np.array(policy.reserve.by_event, np.int64)),
        soft_floor=_read_only(np.array((policy.soft_floor or Reserve()).by_event, np.int64)),
        squash=policy.squash.exponent,
        squash_reference=_read_only(np.array(policy.squash.by_event, np.float64)),
        save_micros=quality.save_micros,
        click_micros=quality.click_micros,
        hide_micros=quality.hide_micros,
        exchange_rate=policy.exchange_rate,
        branches=branches,
    )


def _read_only(column: np.ndarray) -> np.ndarray:
    """A read-only view: one compiled signature, whether or not the caller's memory may be written."""
    view = column.view()
    view.setflags(write=False)
    return view


def _new_results(slates: int, ads: int) -> Results:
    return Results(*_ROOM.columns([(slates if each else ads, kind) for each, kind in _RESULTS]))


def _field(batch: SlateBatch, slate: int, name: str) -> str:
    return name if len(batch) == 1 else f"slate[{slate}].{name}"


def _refusal(batch: SlateBatch, code: int, slate: int, entry: int) -> InputError:
    if code == score.TOO_LARGE:
        fix = f"allow fewer ads or gap effects: {entry} states, at most {CELL_LIMIT}"
        return InputError("policy.rules.max_ads", entry, fix)
    name, fix = _REFUSALS[code]
    column = getattr(batch, name)
    start = next(getattr(batch, starts) for starts, names in GROUPS.items() if name in names)
    value = column[int(start[slate]) + entry].item()
    return InputError(f"{_field(batch, slate, name)}[{entry}]", value, fix)
