"""The door of the auction: every ad is checked, weighed, and kept or turned away with a reason."""

# mypy: disable-error-code="arg-type,assignment,return-value,no-any-return,type-var"
# In a kernel `int` and `np.int64` are one type, which mypy cannot know.

import numpy as np

from auction.bid import BID_LIMIT, VALUE_LIMIT, VALUE_ONE, effective_bid, worth
from auction.columns import Columns, Results, Scratch, Terms
from auction.compiled import leaf
from auction.slate import Int8, Int64

BELOW_RESERVE = 2
RELEVANCE = 15
INVALID = 21

OK = 0
BAD_BID = 1
BAD_MULTIPLIER = 2
BAD_BILLABLE = 3
BAD_TOLERANCE = 4
BAD_AD_ID = 5
BAD_UTILITY = 6
BAD_GRADE = 7
TOO_LARGE = 8


@leaf
def _is_probability(p: float) -> bool:
    return (p >= 0.0) & (p <= 1.0)


@leaf
def _are_sound(columns: Columns, start: int, stop: int) -> bool:
    """Whether nothing of the slate's ads is refused. Without branches: it runs for every ad there is."""
    bid, multiplier = columns.bid_micros[start:stop], columns.multiplier[start:stop]
    billable, tolerance = columns.billable[start:stop], columns.tolerance[start:stop]
    sound = True
    for i in range(bid.shape[0]):
        sound &= (bid[i] >= 0) & (multiplier[i] > 0.0) & (multiplier[i] <= 1.0)
        sound &= (billable[i] >= 0) & (billable[i] <= 2) & (tolerance[i] >= 0) & (tolerance[i] <= 2)
    return sound


@leaf
def _fault_of(columns: Columns, i: int) -> int:
    """Code of what is refused of ad i, OK where nothing is."""
    if columns.bid_micros[i] < 0:
        return BAD_BID
    if not 0.0 < columns.multiplier[i] <= 1.0:
        return BAD_MULTIPLIER
    if not 0 <= columns.billable[i] <= 2:
        return BAD_BILLABLE
    if not 0 <= columns.tolerance[i] <= 2:
        return BAD_TOLERANCE
    return OK


@leaf
def _repeated(ad_id: Int64, scratch: Scratch, slate: int) -> int:
    """Entry of the first id seen before, -1 for none. Ascending ids need no set."""
    ascending = True
    for i in range(1, ad_id.shape[0]):
        ascending &= ad_id[i] > ad_id[i - 1]
    if ascending:
        return -1
    mask = scratch.seen_id.shape[0] - 1
    for i in range(ad_id.shape[0]):
        at = np.int64((np.uint64(ad_id[i]) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(20)) & mask
        while scratch.seen_at[at] == slate + 1:
            if scratch.seen_id[at] == ad_id[i]:
                return i
            at = (at + 1) & mask
        scratch.seen_id[at] = ad_id[i]
        scratch.seen_at[at] = slate + 1
    return -1


@leaf
def _weigh(columns: Columns, terms: Terms, scratch: Scratch, start: int, stop: int, reason: Int8) -> None:
    """Weigh the ads ``start:stop`` of the batch into the scratch, with a reason for those turned away."""
    bid_micros, multiplier = columns.bid_micros[start:stop], columns.multiplier[start:stop]
    billable, relevance = columns.billable[start:stop], columns.relevance[start:stop]
    p_click, p_joint = columns.p_click[start:stop], columns.p_click_conversion[start:stop]
    p_given, p_save = columns.p_conversion_given_click[start:stop], columns.p_save[start:stop]
    p_hide = columns.p_hide[start:stop]
    reserve_look, reserve_click, reserve_joint = terms.reserve[0], terms.reserve[1], terms.reserve[2]
    for i in range(bid_micros.shape[0]):
        # `&` and conditional moves on purpose; every comparison is false of a NaN.
        usable = (
            _is_probability(p_click[i])
            & _is_probability(p_given[i])
            & _is_probability(p_joint[i])
            & _is_probability(p_save[i])
            & _is_probability(p_hide[i])
            & (abs(relevance[i]) < np.inf)
            & (bid_micros[i] <= BID_LIMIT)
        )
        liked = terms.save_micros * p_save[i] + terms.click_micros * p_click[i]
        quality = (liked - terms.hide_micros * p_hide[i]) * VALUE_ONE
        bid = np.float64(bid_micros[i]) * multiplier[i]
        event = billable[i]
        chance = 1.0 if event == 0 else (p_click[i] if event == 1 else p_joint[i])
        reserve = reserve_look if event == 0 else (reserve_click if event == 1 else reserve_joint)
        rate = chance * VALUE_ONE
        usable &= (abs(quality) <= VALUE_LIMIT) & (bid * rate <= VALUE_LIMIT)
        whole_bid = effective_bid(bid_micros[i], multiplier[i]) if usable else np.int64(0)
        whole_quality = np.int64(np.rint(quality)) if usable else np.int64(0)
        total = worth(whole_bid, rate if usable else 0.0, whole_quality)
        usable &= abs(total) <= VALUE_LIMIT
        scratch.bid[i] = whole_bid
        scratch.rate[i] = rate
        scratch.quality[i] = whole_quality
        scratch.worth[i] = total
        code = 0 if whole_bid >= reserve else BELOW_RESERVE
        code = code if relevance[i] >= terms.relevance_floor else RELEVANCE
        code = code if usable else INVALID
        reason[i] = code
        scratch.kind[i] = 0 if code == 0 else -1


@leaf
def check_organic(columns: Columns, terms: Terms, k: int) -> int:
    """Code of what is refused of organic item k of the batch, 0 where nothing is."""
    value = columns.organic_utility[k] * terms.exchange_rate * VALUE_ONE
    if not abs(value) <= VALUE_LIMIT:
        return BAD_UTILITY
    if not 0 <= columns.organic_grade[k] <= 2:
        return BAD_GRADE
    return OK


@leaf
def admit(columns: Columns, terms: Terms, results: Results, scratch: Scratch, n: int) -> tuple[int, int]:
    """Check and weigh the ads of slate n: `scratch.kind` is 0 where one competes, else -1.

    Returns a code and the entry of the slate that is refused, (OK, 0) where none is.
    """
    start, stop = columns.ad_start[n], columns.ad_start[n + 1]
    if not _are_sound(columns, start, stop):
        for i in range(start, stop):
            code = _fault_of(columns, i)
            if code != OK:
                return code, i - start
    repeated = _repeated(columns.ad_id[start:stop], scratch, n)
    if repeated >= 0:
        return BAD_AD_ID, repeated
    _weigh(columns, terms, scratch, start, stop, results.reason[start:stop])
    return OK, 0
