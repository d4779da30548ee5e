"""What the mixer has decided about a position before the auction."""

from enum import IntEnum


class Hold(IntEnum):
    """Codes are written to the decision log: never renumber, only append."""

    OPEN = 0
    NO_AD = 1
    """Forbidden to ads; organic items pass through."""
    FOR_AD = 2
    """Reserved for an ad: one stands here wherever the rules and the reserves leave one, whatever the
    organic items are worth. Without such an ad the organic items close up."""
    MODULE = 3
    """The mixer's own item stands here: neither an ad nor an organic item does. To an ad beside it, it is
    a neighbour of MEDIUM risk, as anything without a label."""
