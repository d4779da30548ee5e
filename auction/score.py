"""The door of the auction: every ad is checked, weighed, and kept or turned away with a reason."""

# mypy: disable-error-code="arg-type,assignment,return-value,no-any-return,type-var"
# In a kernel `int` and `np.int64` are one type, which mypy cannot know.

import numpy as np

from auction.bid import BID_LIMIT, VALUE_LIMIT, VALUE_ONE, effective_bid, power, worth
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
BAD_GOAL = 9
BAD_RESERVE = 10


@leaf
def _is_probability(p: float) -> bool:
    return (p >= 0.0) & (p <= 1.0)


@leaf
def _are_sound(columns: Columns, start: int, stop: int) -> bool:
    """Whether nothing of the slate's ads is refused. Without branches, a loop for each width of a column:
    it runs for every ad there is."""
    bid, multiplier = columns.bid_micros[start:stop], columns.multiplier[start:stop]
    billable, tolerance = columns.billable[start:stop], columns.tolerance[start:stop]
    goal, reserve = columns.goal[start:stop], columns.reserve_micros[start:stop]
    # Negative where any bid or reserve is, or a reserve is too large.
    sign = np.int64(0)
    for i in range(bid.shape[0]):
        sign |= bid[i] | reserve[i]
    most = np.int64(0)
    for i in range(bid.shape[0]):
        most = max(most, reserve[i])
    paced = np.int64(0)
    for i in range(bid.shape[0]):
        paced += np.int64((multiplier[i] > 0.0) & (multiplier[i] <= 1.0))
    codes, risk = np.int8(0), np.int8(0)
    for i in range(bid.shape[0]):
        codes |= billable[i] | goal[i] | tolerance[i]
        risk = max(risk, tolerance[i])
    return (sign >= 0) & (most <= BID_LIMIT) & (paced == bid.shape[0]) & ((codes & ~3) == 0) & (risk <= 2)


@leaf
def _fault_of(columns: Columns, i: int) -> int:
    """Code of what is refused of ad i, OK where nothing is."""
    if columns.bid_micros[i] < 0:
        return BAD_BID
    if not 0.0 < columns.multiplier[i] <= 1.0:
        return BAD_MULTIPLIER
    if not 0 <= columns.billable[i] <= 3:
        return BAD_BILLABLE
    if not 0 <= columns.goal[i] <= 3:
        return BAD_GOAL
    if not 0 <= columns.reserve_micros[i] <= BID_LIMIT:
        return BAD_RESERVE
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
def _chance(event: int, p_click: float, p_joint: float, p_view: float) -> float:
    """Probability of a billable event per examined impression."""
    return 1.0 if event == 0 else (p_click if event == 1 else (p_joint if event == 2 else p_view))


@leaf
def _score_chance(terms: Terms, event: int, chance: float) -> float:
    """What stands for the probability in the score: itself, or squashed."""
    if terms.squash == 1.0 or event == 0:
        return chance
    reference = terms.squash_reference[event]
    return reference * power(chance / reference, terms.squash)


@leaf
def _weigh(columns: Columns, terms: Terms, scratch: Scratch, start: int, stop: int, reason: Int8) -> None:
    """Weigh the ads ``start:stop`` of the batch into the scratch, with a reason for those turned away.

    A loop for each column written, without branches: each is then a few vector instructions, where one loop
    for all of them is none, since the compiler cannot tell that so many columns never overlap.
    """
    size = stop - start
    bid_micros, multiplier = columns.bid_micros[start:stop], columns.multiplier[start:stop]
    billable, relevance = columns.billable[start:stop], columns.relevance[start:stop]
    goal, own_reserve = columns.goal[start:stop], columns.reserve_micros[start:stop]
    p_click, p_joint = columns.p_click[start:stop], columns.p_click_conversion[start:stop]
    p_given, p_save = columns.p_conversion_given_click[start:stop], columns.p_save[start:stop]
    p_hide, p_view = columns.p_hide[start:stop], columns.p_view[start:stop]
    paced, rate = scratch.paced[:size], scratch.rate[:size]
    usable, quality = scratch.kind[:size], scratch.quality[:size]
    bid, reserve, value = scratch.bid[:size], scratch.reserve[:size], scratch.worth[:size]
    save, click, hide = terms.save_micros, terms.click_micros, terms.hide_micros
    of_impression, of_click = terms.reserve[0], terms.reserve[1]
    of_conversion, of_view = terms.reserve[2], terms.reserve[3]
    floor = terms.relevance_floor

    # Every comparison is false of a NaN.
    for i in range(size):
        fine = _is_probability(p_click[i]) & _is_probability(p_given[i])
        fine &= _is_probability(p_joint[i]) & _is_probability(p_view[i])
        usable[i] = np.int64(fine)
    for i in range(size):
        fine = _is_probability(p_save[i]) & _is_probability(p_hide[i])
        fine &= (abs(relevance[i]) < np.inf) & (bid_micros[i] <= BID_LIMIT)
        usable[i] &= np.int64(fine)
    for i in range(size):
        rate[i] = _chance(billable[i], p_click[i], p_joint[i], p_view[i])
    for i in range(size):
        paced[i] = np.float64(bid_micros[i]) * multiplier[i]
    targets = np.int64(0)
    for i in range(size):
        targets += np.int64(goal[i] != billable[i])
    if targets > 0:
        for i in range(size):
            if goal[i] != billable[i]:
                # A target per goal event is a bid per billable event by the odds of the one given the other.
                paced[i] *= _chance(goal[i], p_click[i], p_joint[i], p_view[i]) / rate[i]
    if terms.squash != 1.0:
        for i in range(size):
            rate[i] = _score_chance(terms, billable[i], rate[i])
    for i in range(size):
        rate[i] *= VALUE_ONE
    for i in range(size):
        event = billable[i]
        least = of_click if event == 1 else (of_conversion if event == 2 else of_view)
        reserve[i] = max(of_impression if event == 0 else least, own_reserve[i])
    for i in range(size):
        usable[i] &= np.int64((paced[i] <= BID_LIMIT) & (paced[i] * rate[i] <= VALUE_LIMIT))
    if save != 0.0 or click != 0.0 or hide != 0.0:
        for i in range(size):
            liked = save * p_save[i] + click * p_click[i]
            usable[i] &= np.int64(abs((liked - hide * p_hide[i]) * VALUE_ONE) <= VALUE_LIMIT)
        for i in range(size):
            liked = save * p_save[i] + click * p_click[i]
            units = (liked - hide * p_hide[i]) * VALUE_ONE
            quality[i] = np.int64(np.rint(units if usable[i] != 0 else 0.0))
    else:
        quality[:] = 0
    for i in range(size):
        bid[i] = effective_bid(paced[i] if usable[i] != 0 else 0.0)
    for i in range(size):
        value[i] = worth(bid[i], rate[i] if usable[i] != 0 else 0.0, quality[i])
    for i in range(size):
        code = np.int64(0) if bid[i] >= reserve[i] else np.int64(BELOW_RESERVE)
        code = code if relevance[i] >= floor else np.int64(RELEVANCE)
        code = code if (usable[i] != 0) & (abs(value[i]) <= VALUE_LIMIT) else np.int64(INVALID)
        usable[i] = code
    for i in range(size):
        reason[i] = usable[i]
    for i in range(size):
        usable[i] = np.int64(0) if usable[i] == 0 else np.int64(-1)


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
    code, _, entry = admit_run(columns, terms, results, scratch, n, n + 1)
    return code, entry


@leaf
def admit_run(
    columns: Columns, terms: Terms, results: Results, scratch: Scratch, first: int, last: int
) -> tuple[int, int, int]:
    """`admit` the slates ``first:last`` at once; the scratch then begins with the first one's ads.

    Sets the results of every ad to those of one not shown.

    Returns a code, the slate and the entry in it that are refused, (OK, 0, 0) where nothing is.
    """
    start, stop = columns.ad_start[first], columns.ad_start[last]
    results.position[start:stop] = 0
    results.exposure[start:stop] = 0.0
    results.price_micros[start:stop] = 0
    results.setter[start:stop] = 0
    results.setter_ad_id[start:stop] = 0
    sound = _are_sound(columns, start, stop)
    for n in range(first, last):
        begin, end = columns.ad_start[n], columns.ad_start[n + 1]
        if not sound:
            for i in range(begin, end):
                code = _fault_of(columns, i)
                if code != OK:
                    return code, n, i - begin
        repeated = _repeated(columns.ad_id[begin:end], scratch, n)
        if repeated >= 0:
            return BAD_AD_ID, n, repeated
    _weigh(columns, terms, scratch, start, stop, results.reason[start:stop])
    return OK, 0, 0
