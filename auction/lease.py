"""A replica's slices of the campaigns' budgets, and what is in flight against them."""

import heapq
import math
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from auction.day import LIFETIME, Day
from auction.errors import InputError
from auction.pacing import PacingController
from auction.reservation import Reservation
from auction.slate import Float64, Int64


@dataclass(frozen=True, slots=True)
class Lease:
    """A slice of a campaign's budget that this replica may promise, as an absolute amount."""

    campaign_id: int
    remaining_micros: int
    day: Day | None = None
    """The day it is for; None: any time, against the lifetime budget."""


class LeasedBudgets:
    """Budgets in memory: leases granted from outside, reservations in flight held against them.

    Served beside a ledger, a renewer takes `pending()` to the ledger and brings new leases with
    `renew`; a lease that was not renewed in time counts as zero (money fails closed). Alone, in a
    simulation, `renew` sets the money once and `settle`, `release` and `expire` keep the account.

    Not knowing a campaign means no money. A reservation is never refused, because its ad is already
    decided: a page with several ads of one campaign can overdraw a lease by what that page promised,
    after which nothing is available until the lease is renewed.

    `clock` (monotonic seconds) only decides whether leases are still valid; which day it is and what
    has expired is told by the caller's `now`. Safe to use from several threads.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._row: dict[int, int] = {}
        self._campaign = np.zeros(0, np.int64)
        self._lease = np.zeros(0, np.int64)
        self._held = np.zeros(0, np.int64)
        self._start = np.zeros(0, np.float64)
        self._end = np.zeros(0, np.float64)
        self._multiplier = np.zeros(0, np.float64)
        self._day: list[str] = []
        self._pacing: dict[int, PacingController] = {}
        self._in_flight: dict[str, Reservation] = {}
        self._expiry: list[tuple[float, str]] = []
        self._valid_until = math.inf

    # The request path.

    def available(self, campaign_id: Int64, now: float) -> Int64:
        """Lease less what is in flight, int64 [n]; 0 for a campaign, day or lease that is not live."""
        with self._lock:
            self._expire(now)
            rows, known = self._find(campaign_id)
            if not len(self._campaign) or self._clock() > self._valid_until:
                return np.zeros(len(rows), np.int64)
            live = known & (self._start[rows] <= now) & (now < self._end[rows])
            return np.where(live, np.maximum(self._lease[rows] - self._held[rows], 0), 0)

    def multiplier(self, campaign_id: Int64, now: float) -> Float64:
        """Of each campaign's pacing controller as of its last observation; 1 without one."""
        with self._lock:
            rows, known = self._find(campaign_id)
            if not len(self._campaign):
                return np.ones(len(rows), np.float64)
            return np.where(known, self._multiplier[rows], 1.0)

    def reserve(
        self, placement_id: str, campaign_id: int, amount_micros: int, now: float, expires_at: float
    ) -> None:
        """Hold `amount_micros` until it is settled, released, expired or flushed to the ledger.

        The same placement twice holds once; a placement that can cost nothing holds nothing.

        Raises:
            InputError: a negative amount, a campaign that never had a lease, or an id with a NUL, which
                no database takes and which must fail here, alone, and not with a whole flush.
        """
        if amount_micros < 0:
            raise InputError("amount_micros", amount_micros, "reserve 0 micros or more")
        if "\x00" in placement_id:
            raise InputError("placement_id", placement_id, "give an id without NUL characters")
        if amount_micros == 0:
            return
        with self._lock:
            row = self._row.get(campaign_id)
            if row is None:
                raise InputError("campaign_id", campaign_id, "reserve only for campaigns with a lease")
            self._expire(now)
            if placement_id in self._in_flight:
                return
            self._in_flight[placement_id] = Reservation(
                placement_id, campaign_id, self._day[row], int(amount_micros), expires_at
            )
            self._held[row] += int(amount_micros)
            heapq.heappush(self._expiry, (expires_at, placement_id))

    def day(self, campaign_id: int) -> str:
        """Name of the day that the campaign's lease is for; raises InputError when it has none."""
        with self._lock:
            row = self._row.get(campaign_id)
            if row is None:
                raise InputError("campaign_id", campaign_id, "only campaigns with a lease have a day")
            return self._day[row]

    # Keeping the account in memory.

    def settle(self, placement_id: str, charge_micros: int, now: float) -> int:
        """The billable event came: charge at most what the lease holds, free the reservation.

        Returns the micros charged: 0 for a placement that is not in flight (settled before, expired,
        flushed), less than asked for where the money ends.
        """
        with self._lock:
            self._expire(now)
            held = self._in_flight.get(placement_id)
            if held is None:
                return 0
            self._drop(held)
            row = self._row[held.campaign_id]
            if self._day[row] != held.day:  # Yesterday's account is closed.
                return 0
            charged = min(charge_micros, max(0, int(self._lease[row])))
            self._lease[row] -= charged
            self._observe(held.campaign_id, charged, now)
            return charged

    def release(self, placement_id: str) -> bool:
        """The placement was not delivered: free its money. False when it was not in flight."""
        with self._lock:
            held = self._in_flight.get(placement_id)
            if held is not None:
                self._drop(held)
            return held is not None

    def expire(self, now: float) -> int:
        """Free the reservations whose time is up; returns how many."""
        with self._lock:
            return self._expire(now)

    # Leases and pacing, brought by the renewer or by a simulation.

    def pending(self) -> list[Reservation]:
        """Reservations that no ledger has taken over yet, oldest first."""
        with self._lock:
            return list(self._in_flight.values())

    def renew(
        self,
        leases: Iterable[Lease],
        flushed: Iterable[Reservation] = (),
        valid_until: float = math.inf,
    ) -> None:
        """Set leases to what the ledger says remains after it took over `flushed`.

        What was reserved since is still held against them. All leases are good until `valid_until`
        on this object's clock.
        """
        with self._lock:
            for reservation in flushed:
                held = self._in_flight.get(reservation.placement_id)
                if held is not None:
                    self._drop(held)
            leases = list(leases)
            self._add([lease.campaign_id for lease in leases if lease.campaign_id not in self._row])
            turned = [lease for lease in leases if self._day[self._row[lease.campaign_id]] != _name(lease)]
            for lease in leases:
                self._set(lease)
            self._hold_again({lease.campaign_id for lease in turned})
            self._valid_until = valid_until
            if len(self._expiry) > 2 * len(self._in_flight) + 64:
                self._expiry = [(held.expires_at, key) for key, held in self._in_flight.items()]
                heapq.heapify(self._expiry)

    @property
    def live(self) -> bool:
        """Whether leases were renewed in time, so that ads can be promised at all."""
        return self._clock() <= self._valid_until

    def balances(self) -> tuple[Int64, Int64, Int64]:
        """Campaigns in ascending order, what each has leased, and what is in flight against it."""
        with self._lock:
            return self._campaign.copy(), self._lease.copy(), self._held.copy()

    def pace(self, campaign_id: int, controller: PacingController | None) -> None:
        """Let `controller` set the campaign's multiplier; None takes it off."""
        with self._lock:
            self._add([campaign_id] if campaign_id not in self._row else [])
            if controller is None:
                self._pacing.pop(campaign_id, None)
            else:
                self._pacing[campaign_id] = controller
            self._multiplier[self._row[campaign_id]] = 1.0 if controller is None else controller.multiplier

    def observe(self, campaign_id: int, spend_micros: int, now: float) -> None:
        """Tell the campaign's controller what was spent since the last time; nothing without one."""
        with self._lock:
            self._observe(campaign_id, spend_micros, now)

    # Inside the lock.

    def _find(self, campaign_id: Int64) -> tuple[Int64, np.ndarray]:
        wanted = np.asarray(campaign_id, np.int64)
        if not len(self._campaign):
            return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), np.bool_)
        rows = np.minimum(np.searchsorted(self._campaign, wanted), len(self._campaign) - 1)
        return rows, self._campaign[rows] == wanted

    def _observe(self, campaign_id: int, spend_micros: int, now: float) -> None:
        controller = self._pacing.get(campaign_id)
        if controller is not None:
            controller.observe(spend_micros, now)
            self._multiplier[self._row[campaign_id]] = controller.multiplier

    def _drop(self, held: Reservation) -> None:
        del self._in_flight[held.placement_id]
        row = self._row[held.campaign_id]
        if self._day[row] == held.day:
            self._held[row] -= held.amount_micros

    def _expire(self, now: float) -> int:
        count = 0
        while self._expiry and self._expiry[0][0] <= now:
            expires_at, placement_id = heapq.heappop(self._expiry)
            held = self._in_flight.get(placement_id)
            if held is not None and held.expires_at == expires_at:
                self._drop(held)
                count += 1
        return count

    def _set(self, lease: Lease) -> None:
        row = self._row[lease.campaign_id]
        self._day[row] = _name(lease)
        self._lease[row] = lease.remaining_micros
        self._start[row] = -math.inf if lease.day is None else lease.day.start
        self._end[row] = math.inf if lease.day is None else lease.day.end

    def _hold_again(self, campaigns: set[int]) -> None:
        """The campaigns' leases are for another day: only reservations of that day count."""
        if not campaigns:
            return
        for campaign in campaigns:
            self._held[self._row[campaign]] = 0
        for held in self._in_flight.values():
            row = self._row[held.campaign_id]
            if held.campaign_id in campaigns and held.day == self._day[row]:
                self._held[row] += held.amount_micros

    def _add(self, campaigns: list[int]) -> None:
        if not campaigns:
            return
        merged = np.concatenate([self._campaign, np.unique(np.asarray(campaigns, np.int64))])
        more = len(merged) - len(self._campaign)
        order = np.argsort(merged, kind="stable")
        days = self._day + [""] * more
        self._campaign = merged[order]
        self._lease = np.concatenate([self._lease, np.zeros(more, np.int64)])[order]
        self._held = np.concatenate([self._held, np.zeros(more, np.int64)])[order]
        self._start = np.concatenate([self._start, np.full(more, math.inf)])[order]
        self._end = np.concatenate([self._end, np.full(more, -math.inf)])[order]
        self._multiplier = np.concatenate([self._multiplier, np.ones(more)])[order]
        self._day = [days[old] for old in order.tolist()]
        self._row = {int(campaign): row for row, campaign in enumerate(self._campaign)}


def _name(lease: Lease) -> str:
    return LIFETIME if lease.day is None else lease.day.name
