"""What an audit found, in a form to print or to send."""

from dataclasses import asdict, dataclass
from typing import Any

from auction.audit.identities import Identity
from auction.policy import Pricing
from auction.shadow import ShadowPrice


@dataclass(frozen=True, slots=True)
class RegretRow:
    """What the shown ads of a market could gain by one other bid, under one rule with so many slots.

    An ad counts as gaining where the gain passes what whole micros leave (`Stakes.rounding_micros`).
    """

    pricing: Pricing
    slots: int
    """Most ads of a page."""
    ads: int
    """Shown ads, each asked for its best bid."""
    advertisers: int
    """Advertisers with a shown ad."""
    ads_gaining: float
    """Share of the shown ads."""
    advertisers_gaining: float
    """Share of the advertisers, one gaining ad being enough."""
    mean_gain_micros: float
    """Per shown ad and request, expected."""
    p95_gain_micros: float
    gain_of_utility: float | None
    """Sum of gains over the sum of utilities at truthful bids; null where those are nothing."""
    p95_gain_of_utility: float | None
    """95th percentile over shown ads of gain by utility; null where it has no bound."""
    shaded: float
    """Share of the gaining ads whose best bid is below their value; the others' is above."""
    mean_shade: float | None
    """Mean of 1 - best bid / value over the gaining ads: what they would take off; null where none."""
    inexact: int
    """Ads on trial in a market whose search met its limit of work, where no price is proved the best."""
    beyond_rounding_micros: float
    """Largest gain of any other ad on trial, shown or not, less what rounding leaves; 0 where none passes."""


@dataclass(frozen=True, slots=True)
class AuditReport:
    """Regret by pricing rule and slots, price of every rule, and identities, over the same slates."""

    source: str
    policy: str
    policy_hash: str
    slates: int
    ads: int
    """Candidates of the slates."""
    regret: tuple[RegretRow, ...]
    shadow: tuple[ShadowPrice, ...]
    identities: tuple[Identity, ...]
    vcg_is_truthful: bool | None
    """Whether nobody gains under `vcg`; null where a soft floor makes bids between the floors pay themselves,
    which no rule makes truthful."""
    notes: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether every identity does, and VCG leaves nothing to gain."""
        return self.vcg_is_truthful is not False and all(each.holds for each in self.identities)

    def to_json(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "policy": self.policy,
            "policy_hash": self.policy_hash,
            "slates": self.slates,
            "ads": self.ads,
            "holds": self.holds,
            "vcg_is_truthful": self.vcg_is_truthful,
            "regret": [asdict(row) | {"pricing": row.pricing.value} for row in self.regret],
            "shadow_prices": [price.to_json() for price in self.shadow],
            "identities": [each.to_json() for each in self.identities],
            "notes": list(self.notes),
        }
