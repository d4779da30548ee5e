"""Ads in score order: worth, then the seeded hash, then the smaller id."""

# mypy: disable-error-code="arg-type,assignment,return-value,no-any-return,type-var"
# In a kernel `int` and `np.int64` are one type, which mypy cannot know.

import numpy as np

from auction.compiled import kernel, leaf
from auction.slate import Int64


@leaf
def ahead(
    worth_a: np.int64, tie_a: np.int64, id_a: np.int64, worth_b: np.int64, tie_b: np.int64, id_b: np.int64
) -> bool:
    """Whether ad a comes strictly before ad b."""
    if worth_a != worth_b:
        return worth_a > worth_b
    if tie_a != tie_b:
        return tie_a > tie_b
    return id_a < id_b


@kernel
def rank_ads(members: Int64, worth: Int64, tie: Int64, ad_id: Int64) -> None:
    """Sort the indices in `members` in place, best ad first (bottom-up merge sort)."""
    count = members.shape[0]
    source = members
    target = np.empty_like(members)
    width = 1
    while width < count:
        for left in range(0, count, 2 * width):
            middle = min(left + width, count)
            right = min(left + 2 * width, count)
            a, b = left, middle
            for slot in range(left, right):
                take = a < middle
                if take and b < right:
                    i, j = source[a], source[b]
                    take = not ahead(worth[j], tie[j], ad_id[j], worth[i], tie[i], ad_id[i])
                if take:
                    target[slot] = source[a]
                    a += 1
                else:
                    target[slot] = source[b]
                    b += 1
        source, target = target, source
        width *= 2
    for n in range(count):
        members[n] = source[n]
