"""How many ads a feed may carry, and how close together: the rules that a blend is tuned over."""

from dataclasses import dataclass
from itertools import product
from typing import Any

from auction.errors import InputError
from auction.policy import MAX_ADS, MAX_DISTANCE, AuctionPolicy, FeedRules

MOST = 200
"""Sets of rules tried at once."""


@dataclass(frozen=True, slots=True, order=True)
class AdLoad:
    """The feed rules that bound the ad load; all others stay as they are."""

    max_ads: int
    max_share: float
    min_gap: int

    @classmethod
    def of(cls, policy: AuctionPolicy) -> "AdLoad":
        rules = policy.rules
        return cls(rules.max_ads, rules.max_share, rules.min_gap)

    def applied(self, policy: AuctionPolicy, exchange_rate: float, name: str) -> AuctionPolicy:
        """The policy with these rules and this exchange rate, its exposure left as the log has it."""
        changed: dict[str, Any] = {
            "max_ads": self.max_ads,
            "max_share": self.max_share,
            "min_gap": self.min_gap,
        }
        if policy.rules.wanted_gap is not None:
            changed["wanted_gap"] = max(policy.rules.wanted_gap, self.min_gap)
        rules = FeedRules.model_validate(policy.rules.model_dump() | changed)
        return policy.model_copy(
            update={"name": name, "exchange_rate": exchange_rate, "rules": rules, "exposure": None}
        )


def ad_loads(
    policy: AuctionPolicy,
    max_ads: tuple[int, ...] | None = None,
    max_share: tuple[float, ...] | None = None,
    min_gap: tuple[int, ...] | None = None,
) -> tuple[AdLoad, ...]:
    """Every combination, the policy's own included; by default its own rules and one step to each side.

    Raises:
        InputError: more than `MOST` combinations, or a rule that no policy may have.
    """
    own = AdLoad.of(policy)
    ads = max_ads if max_ads is not None else (own.max_ads,)
    shares = (
        max_share
        if max_share is not None
        else (own.max_share / 2, own.max_share, min(1.0, 1.5 * own.max_share))
    )
    gaps = (
        min_gap
        if min_gap is not None
        else (max(1, own.min_gap - 1), own.min_gap, min(own.min_gap + 2, MAX_DISTANCE))
    )
    found = {AdLoad(*one) for one in product(ads, shares, gaps)} | {own}
    if len(found) > MOST:
        raise InputError("ad-load rules", len(found), f"at most {MOST} combinations")
    for one in found:
        for name, low, high in (
            ("max_ads", 0, MAX_ADS),
            ("max_share", 0.0, 1.0),
            ("min_gap", 1, MAX_DISTANCE),
        ):
            value = getattr(one, name)
            if not low <= value <= high:
                raise InputError(name, value, f"between {low} and {high}")
    return tuple(sorted(found))
