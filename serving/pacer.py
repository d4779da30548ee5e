"""Shows the ledger's spend to the pacing controllers."""

from collections.abc import Mapping, Sequence

from auction.budget import LeasedBudgets
from auction.day import LIFETIME, Day
from auction.pacing import PacingController, PacingSettings
from serving.campaign_budget import CampaignBudget
from serving.ledger import Balance, Ledger

DAY_S = 86_400.0


class Pacer:
    """One controller per campaign, fed with what all replicas together spent and lately promised.

    A daily budget is paced over its day. A lifetime budget with an end is paced in equal parts over the
    days that are left; without one there is nothing to pace it against, and it is spent as it comes.
    All that a controller is told stands in the ledger, so a restart forgets none of the day's spend.

    Promises of the last `recent_s` seconds count as spent, so the controller does not wait for clicks
    to arrive. Older ones do not: a promise is an expected charge, and by then the clicks that it stands
    for have mostly come and count themselves. Counting it on until it expires would count the money
    twice and leave an hour's share of every day unspent. Only pacing looks away: in the ledger a
    promise holds its money until it expires, so no limit is passed.
    """

    def __init__(self, ledger: Ledger, budgets: LeasedBudgets, recent_s: float = 120.0) -> None:
        self._ledger = ledger
        self._budgets = budgets
        self._recent_s = recent_s
        self._controllers: dict[int, tuple[PacingController, CampaignBudget]] = {}
        self._seen: dict[int, tuple[str, int]] = {}

    def observe(self, campaigns: Sequence[CampaignBudget], days: Mapping[int, Day], now: float) -> None:
        """Bring every controller up to `now`; campaigns that are gone lose theirs.

        Raises:
            LedgerUnavailable: nothing was observed.
        """
        rows = {
            (each.campaign_id, each.day): each
            for each in self._ledger.balances([each.campaign_id for each in campaigns])
        }
        recent = self._ledger.recent(self._recent_s) if campaigns else {}
        for gone in self._controllers.keys() - {each.campaign_id for each in campaigns}:
            self._drop(gone)
        for each in campaigns:
            day = days[each.campaign_id]
            row = rows.get((each.campaign_id, day.name))
            budget = _budget(each, day, row, rows.get((each.campaign_id, LIFETIME)))
            if row is not None and budget is not None:
                # A promise charged between the two reads is in both: never more than is reserved.
                promised = min(row.reserved_micros, recent.get((each.campaign_id, day.name), 0))
                self._show(each, day, row.spent_micros + promised, budget, now)
            elif each.campaign_id in self._controllers:
                self._drop(each.campaign_id)

    def _drop(self, campaign_id: int) -> None:
        del self._controllers[campaign_id]
        self._seen.pop(campaign_id, None)
        self._budgets.pace(campaign_id, None)

    def _show(self, each: CampaignBudget, day: Day, used: int, budget: int, now: float) -> None:
        name, before = self._seen.get(each.campaign_id, ("", 0))
        known = self._controllers.get(each.campaign_id)
        if known is None or _kind(known[1]) != _kind(each):
            settings = _started(known, each)
            controller = PacingController(budget, each.zone, now, settings, used, each.ends_at)
            self._controllers[each.campaign_id] = (controller, each)
            self._budgets.pace(each.campaign_id, controller)
        else:
            known[0].rebudget(budget, each.ends_at)
            self._budgets.observe(each.campaign_id, used if name != day.name else used - before, now)
        self._seen[each.campaign_id] = (day.name, used)


def _budget(each: CampaignBudget, day: Day, today: Balance | None, lifetime: Balance | None) -> int | None:
    """The day's budget in micros; None where there is nothing to pace.

    A lifetime's part is of what was left in the morning: the day must not chase its own spend. That is
    found from the ledger each time, so a changed limit or end counts at once.
    """
    if each.daily_micros is not None:
        return each.daily_micros
    if each.lifetime_micros is None or each.ends_at is None or today is None or lifetime is None:
        return None
    days_left = max(1.0, (each.ends_at - day.start) / DAY_S)
    left = each.lifetime_micros - (lifetime.spent_micros - today.spent_micros)
    return int(max(0, left) / days_left)


def _kind(each: CampaignBudget) -> tuple[PacingSettings, str, bool]:
    """With another kind of budget, the controller's account is another one too."""
    return each.pacing, each.zone, each.daily_micros is not None


def _started(known: tuple[PacingController, CampaignBudget] | None, each: CampaignBudget) -> PacingSettings:
    """New settings go on from the multiplier learned under the old ones; another kind of budget does not."""
    if known is None or _kind(known[1])[2] != _kind(each)[2]:
        return each.pacing
    return each.pacing.model_copy(update={"start": known[0].multiplier})
