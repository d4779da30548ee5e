"""Keeps a replica's leases full and its placements told, beside the request path."""

import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence

import structlog
from pydantic import Field

from auction.budget import Lease, LeasedBudgets
from auction.day import LIFETIME, Day
from auction.settings import Settings
from serving.campaign_budget import CampaignBudget
from serving.ledger import MAX_MICROS, BudgetLimit, Ledger, LedgerError, Slice, Want
from serving.pacer import Pacer

log = structlog.get_logger(__name__)


class LeaseSettings(Settings):
    """How much a replica takes at a time, and how long it may go on without the ledger."""

    period_s: float = Field(0.5, gt=0, le=60, description="Between two renewals.")
    valid_s: float = Field(
        1.0, gt=0, le=60, description="A lease not renewed for so long counts as zero: paid ads stop."
    )
    lease_s: float = Field(
        10.0, gt=0, le=3600, description="After so long without a renewal the ledger takes a lease back."
    )
    slice_share: float = Field(0.02, gt=0, le=1, description="Of the smaller limit, leased at a time.")
    slice_micros: int = Field(
        1_000_000, ge=1, description="Lease at least so much beyond the largest bid, where there is it."
    )
    most_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Of what a budget has left, granted to one replica at once; more only up to the"
        " campaign's largest bid. A lease always counts against its limit, so neither can overspend.",
    )
    retry_s: float = Field(
        2.0, ge=0, description="Before a budget that could not fill a lease is asked again."
    )
    observe_s: float = Field(10.0, gt=0, description="Between two looks of the pacing at all spend.")
    recent_s: float = Field(
        120.0, ge=0, le=3600, description="Pacing counts promises so young as spent; older ones rarely are."
    )
    expire_s: float = Field(5.0, gt=0, description="Between two sweeps for overdue reservations.")


class LeaseRenewer:
    """Each period: flush placements, renew leases; now and then: observe spend, expire what is overdue.

    `campaigns` is asked each period for the live campaigns and should answer the same object while
    nothing changed. A campaign that is no longer named gives its lease back.

    `tick` does one period's work and is what the thread calls. Whatever fails in it, the leases simply
    run out after `valid_s`, and the next tick that succeeds brings them back.
    """

    def __init__(
        self,
        ledger: Ledger,
        budgets: LeasedBudgets,
        campaigns: Callable[[], Sequence[CampaignBudget]],
        replica_id: str,
        settings: LeaseSettings | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._budgets = budgets
        self._campaigns = campaigns
        self._replica_id = replica_id
        self._settings = settings if settings is not None else LeaseSettings()
        self._clock = clock
        self._monotonic = monotonic
        self._pacer = Pacer(ledger, budgets, self._settings.recent_s)
        self._plan: Sequence[CampaignBudget] | None = None
        self._day: dict[int, Day] = {}
        self._paced: Sequence[CampaignBudget] = ()
        self._written: dict[tuple[int, str], int | None] = {}
        self._target: dict[int, int] = {}
        self._least: dict[int, int] = {}
        self._unleased: set[int] = set()
        self._retry: dict[int, float] = {}
        self._returning: dict[int, Day] = {}
        self._observed = self._expired = -math.inf
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Renew once, then every period in a thread of its own; until it succeeds nothing is promised."""
        self._budgets.renew((), (), -math.inf)
        self._attempt()
        self._thread = threading.Thread(target=self._run, name="lease-renewer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, flush what is pending and give the leases back."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        leases = {**self._returning, **self._day}
        self._plan, self._day = None, {}
        try:
            self._renew([Want(campaign, day.name, 0) for campaign, day in leases.items()], self._clock())
        except LedgerError as error:
            log.warning("leases not given back", error=str(error))

    def _run(self) -> None:
        while not self._stop.wait(self._settings.period_s):
            self._attempt()

    def _attempt(self) -> None:
        try:
            self.tick(self._clock())
        except LedgerError as error:
            log.warning("leases not renewed", error=str(error))
        except Exception as error:  # A thread that dies silently would stop all paid ads for good.
            log.error("leases not renewed", error=repr(error))

    def tick(self, now: float) -> None:
        """One period's work at `now` (UTC seconds).

        Raises:
            LedgerUnavailable: leases stay as they are and run out after `valid_s`.
        """
        self._replan(now)
        returned = [Want(campaign, day.name, 0) for campaign, day in self._returning.items()]
        self._renew([*returned, *self._wants(now)], now)
        self._returning.clear()
        if now - self._observed >= self._settings.observe_s:
            self._pacer.observe(self._paced, self._day, now)
            self._observed = now
        if now - self._expired >= self._settings.expire_s:
            self._ledger.expire(now)
            self._expired = now

    def _replan(self, now: float) -> None:
        """Follow the campaigns and their days: new limits are written, leases that ended go back."""
        plan = self._campaigns()
        zones = {zone: Day.at(now, zone) for zone in {each.zone for each in plan}}
        limited = [each for each in plan if each.limited]  # The others may spend nothing: as if ended.
        days = {each.campaign_id: zones[each.zone] for each in limited}
        if plan is self._plan and days == self._day:
            return
        limits = {(each.campaign_id, each.day): each for every in limited for each in _limits(every, days)}
        fresh = [
            each
            for key, each in limits.items()
            if key not in self._written or self._written[key] != each.limit_micros
        ]
        self._ledger.set_budgets(fresh)
        self._written = {key: each.limit_micros for key, each in limits.items()}
        for campaign, day in self._day.items():
            if days.get(campaign) != day:
                self._returning[campaign] = day
        self._unleased |= {campaign for campaign, day in days.items() if self._day.get(campaign) != day}
        self._least = {
            each.campaign_id: max(0, min(each.least_micros, each.largest_bid_micros)) for each in limited
        }
        self._target = {each.campaign_id: self._slice(each) for each in limited}
        self._plan, self._paced, self._day = plan, limited, days
        self._retry.clear()
        self._observed = -math.inf  # New campaigns and new days are paced from the first tick.

    def _slice(self, each: CampaignBudget) -> int:
        """Room for the largest bid, and on top of it a slice to spend before the next renewal."""
        usual = max(self._settings.slice_micros, int(each.least_micros * self._settings.slice_share))
        return min(MAX_MICROS, self._least[each.campaign_id] + usual)

    def _low(self, campaign: int, left: int, target: int) -> bool:
        """Less than half full, or unable to promise the campaign's largest bid."""
        return 2 * left < target or left < self._least.get(campaign, 0)

    def _wants(self, now: float) -> list[Want]:
        """Leases that are low. What one period used raises the target to four times that."""
        campaigns, lease, held = self._budgets.balances()
        use = {int(c): int(h) for c, h in zip(campaigns[held > 0], held[held > 0], strict=True)}
        left = dict(zip(campaigns.tolist(), (lease - held).tolist(), strict=True))
        wants = []
        for campaign, base in self._target.items():
            target = min(MAX_MICROS, max(base, 4 * use.get(campaign, 0)))
            low = campaign in self._unleased or self._low(campaign, left.get(campaign, 0), target)
            if low and self._retry.get(campaign, -math.inf) <= now:
                wants.append(Want(campaign, self._day[campaign].name, target, self._least[campaign]))
        return wants

    def _renew(self, wants: Sequence[Want], now: float) -> None:
        asked = self._monotonic()
        placements = self._budgets.pending()
        slices = self._ledger.renew(
            self._replica_id, placements, wants, now, self._settings.lease_s, self._settings.most_share
        )
        targets = {(want.campaign_id, want.day): want.target_micros for want in wants}
        for each in slices:
            target = targets.get((each.campaign_id, each.day), 0)
            if target and self._low(each.campaign_id, each.remaining_micros, target):
                self._retry[each.campaign_id] = now + self._settings.retry_s
            elif target:
                self._retry.pop(each.campaign_id, None)
        # Counted from before the call: a slow ledger shortens the lease instead of stretching it.
        self._budgets.renew(self._leases(slices), placements, asked + self._settings.valid_s)
        self._unleased -= {each.campaign_id for each in slices if targets.get((each.campaign_id, each.day))}

    def _leases(self, slices: Iterable[Slice]) -> Iterable[Lease]:
        """Slices of today, and nothing for campaigns that ended; yesterday's are history."""
        for each in slices:
            day = self._day.get(each.campaign_id)
            if day is None:
                yield Lease(each.campaign_id, 0, self._returning.get(each.campaign_id))
            elif day.name == each.day:
                yield Lease(each.campaign_id, each.remaining_micros, day)


def _limits(each: CampaignBudget, days: dict[int, Day]) -> Iterable[BudgetLimit]:
    """A row for the day in any case: it counts what the day used, which pacing must know.

    Without a daily limit the day may use the lifetime's, which never binds before the lifetime's own
    row does. (Not "no limit": a replica with an old catalog must not be able to open a budget.)
    """
    day = each.lifetime_micros if each.daily_micros is None else each.daily_micros
    yield BudgetLimit(each.campaign_id, days[each.campaign_id].name, day)
    yield BudgetLimit(each.campaign_id, LIFETIME, each.lifetime_micros)
