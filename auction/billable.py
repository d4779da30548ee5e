"""The event an advertiser pays for, and the risk grade of a neighbour."""

from enum import IntEnum


class Billable(IntEnum):
    """Codes are written to the decision log: never renumber, only append."""

    IMPRESSION = 0
    CLICK = 1
    CONVERSION = 2


class Grade(IntEnum):
    """Risk of an organic item beside an ad. An item without a label counts as MEDIUM."""

    LOW = 0
    MEDIUM = 1
    HIGH = 2
