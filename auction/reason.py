"""Why a candidate is not in the feed: one enum for logs, metrics, explanations and reports."""

from enum import IntEnum


class Reason(IntEnum):
    """Codes are written to the decision log: never renumber, only append."""

    SHOWN = 0
    OUTBID = 1
    """Other ads in the same slots were worth more."""
    BELOW_RESERVE = 2
    """Its bid, after the pacing multiplier, does not meet the reserve of its billable event."""
    ORGANIC_BEAT_AD = 3
    """Nowhere was it worth more than the organic items it would push down."""
    BUDGET = 4
    PACING = 5
    FREQUENCY_CAP = 6
    SAME_ADVERTISER = 7
    """Another ad of its advertiser is in the feed."""
    ADJACENCY = 8
    """Every slot it could win has a neighbour riskier than it tolerates."""
    SPACING = 9
    """It would beat the organic items alone, but the gap rules leave no slot."""
    AD_LOAD = 10
    """The feed already shows as many ads as the rules allow."""
    POLICY = 11
    PRIVACY = 12
    TARGETING = 13
    USER_CONTROL = 14
    """The user hid the ad or blocked its advertiser."""
    RELEVANCE = 15
    """Below the relevance floor, whatever its bid."""
    DEADLINE = 16
    STATUS = 17
    """Paused or archived, itself or above it."""
    SCHEDULE = 18
    PRERANK = 19
    """Cut by the first-stage ranker."""
    DUPLICATE = 20
    """The same ad came from another source."""
    INVALID = 21
    """A score or bid that is not a usable number."""

    FAULT = 22
    """A stage of the decision failed; the organic feed was answered."""
    SAME_CATEGORY = 23
    """Another ad of its category is in the feed."""

    @property
    def label(self) -> str:
        """The name used in reports: ``Reason.BELOW_RESERVE.label == "below_reserve"``."""
        return self.name.lower()
