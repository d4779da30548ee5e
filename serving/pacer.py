"""Shows the ledger's spend to the pacing controllers."""

from collections.abc import Mapping, Sequence

from auction.budget import LeasedBudgets
from auction.day import LIFETIME, Day
from auction.pacing import PacingController, PacingSettings
from serving.campaign_budget import CampaignBudget
from serving.ledger import Balance, Ledger

DAY_S = 86_400.0


class Pacer:
    """One controller per campaign, fed with what all replicas together spent and promised.

    A daily budget is paced over its day. A lifetime budget with an end is paced in equal parts over the
    days that are left; without one there is nothing to pace it against, and it is spent as it comes.
    Promised money counts as spent, so the controller does not wait for clicks to arrive.
    """

    def __init__(self, ledger: Ledger, budgets: LeasedBudgets) -> None:
        self._ledger = ledger
        self._budgets = budgets
        self._controllers: dict[int, tuple[PacingController, CampaignBudget]] = {}
        self._seen: dict[int, tuple[str, int]] = {}
        self._parts: dict[int, tuple[str, int]] = {}

    def observe(self, campaigns: Sequence[CampaignBudget], days: Mapping[int, Day], now: float) -> None:
        """Bring every controller up to `now`; campaigns that are gone lose theirs.

        Raises:
            LedgerUnavailable: nothing was observed.
        """
        rows = {
            (each.campaign_id, each.day): each
            for each in self._ledger.balances([each.campaign_id for each in campaigns])
        }
        for gone in self._controllers.keys() - {each.campaign_id for each in campaigns}:
            del self._controllers[gone]
            self._seen.pop(gone, None)
            self._budgets.pace(gone, None)
        for each in campaigns:
            day = days[each.campaign_id]
            row = rows.get((each.campaign_id, day.name if each.daily_micros is not None else LIFETIME))
            budget = self._budget(each, day, row)
            if row is not None and budget is not None:
                self._show(each, day, row.spent_micros + row.reserved_micros, budget, now)
            elif self._controllers.pop(each.campaign_id, None) is not None:
                self._budgets.pace(each.campaign_id, None)

    def _budget(self, each: CampaignBudget, day: Day, row: Balance | None) -> int | None:
        """The day's budget in micros; None where there is nothing to pace."""
        if each.daily_micros is not None:
            return each.daily_micros
        if row is None or each.ends_at is None:
            return None
        name, part = self._parts.get(each.campaign_id, ("", 0))
        if name != day.name:  # Fixed in the morning: the day must not chase its own spend.
            days_left = max(1.0, (each.ends_at - day.start) / DAY_S)
            part = int(max(0, row.limit_micros - row.spent_micros - row.reserved_micros) / days_left)
            self._parts[each.campaign_id] = (day.name, part)
        return part

    def _show(self, each: CampaignBudget, day: Day, used: int, budget: int, now: float) -> None:
        daily = each.daily_micros is not None
        name, before = self._seen.get(each.campaign_id, ("", 0))
        known = self._controllers.get(each.campaign_id)
        if known is None or (known[1].pacing, known[1].zone) != (each.pacing, each.zone):
            controller = PacingController(
                budget, each.zone, now, _started(known, each.pacing), used if daily else 0
            )
            self._controllers[each.campaign_id] = (controller, each)
            self._budgets.pace(each.campaign_id, controller)
        else:
            controller = known[0]
            controller.rebudget(budget)
            fresh_day = daily and name != day.name
            self._budgets.observe(each.campaign_id, used if fresh_day else used - before, now)
        self._seen[each.campaign_id] = (day.name, used)


def _started(known: tuple[PacingController, CampaignBudget] | None, pacing: PacingSettings) -> PacingSettings:
    """New settings go on from the multiplier that was learned under the old ones."""
    return pacing if known is None else pacing.model_copy(update={"start": known[0].multiplier})
