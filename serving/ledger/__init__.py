"""The ledger: reserve on placement, settle on the billable event, release on expiry."""

from collections.abc import Sequence
from datetime import date

import sqlalchemy as sa

from auction.day import LIFETIME
from auction.errors import InputError
from auction.reservation import Reservation
from serving.ledger.database import Database
from serving.ledger.error import LedgerError, LedgerMismatch, LedgerUnavailable
from serving.ledger.expire import Expired, expire
from serving.ledger.limits import set_limits
from serving.ledger.recent import recent
from serving.ledger.records import (
    MAX_MICROS,
    Balance,
    BudgetLimit,
    DayStatement,
    EventType,
    PlacementEvent,
    Settlement,
    Slice,
    Statement,
    Status,
    Want,
)
from serving.ledger.renew import renew
from serving.ledger.settle import settle
from serving.ledger.statement import statement
from serving.ledger.tables import budget

__all__ = [
    "LIFETIME",
    "MAX_MICROS",
    "Balance",
    "BudgetLimit",
    "DayStatement",
    "EventType",
    "Expired",
    "Ledger",
    "LedgerError",
    "LedgerMismatch",
    "LedgerUnavailable",
    "PlacementEvent",
    "Settlement",
    "Slice",
    "Statement",
    "Status",
    "Want",
]

SWEEP = 5_000


class Ledger:
    """Budgets, leases, reservations, events and charges of all campaigns, in one database.

    Every verb is one durable transaction (`expire` is several short ones), may be called again after
    any failure without counting anything twice, and may be called by any number of processes at once:
    no budget is charged past its limit. All amounts are int64 micros, all times UTC seconds.

    Args:
        url: ``sqlite:///path`` (WAL, full sync) or ``postgresql://user@host/name``.
        schema: PostgreSQL schema of the tables; created when missing.
        patience_s: how long to wait for a lock before the ledger counts as unavailable.

    Raises:
        InputError: a URL that names no file or server.
        LedgerUnavailable: the database does not answer, also from every verb.
        LedgerMismatch: the database holds a ledger of another version.
    """

    def __init__(self, url: str, schema: str | None = None, patience_s: float = 5.0) -> None:
        self._database = Database(url, schema, patience_s)

    def set_budgets(self, limits: Sequence[BudgetLimit]) -> None:
        """Set limits, or take them away (None); a day without a limit is bounded by the lifetime alone.

        Raises:
            InputError: a limit outside 0 .. 2**53, or a day that is no ISO date and not ``lifetime``.
        """
        for row, each in enumerate(limits):
            if each.limit_micros is not None and not 0 <= each.limit_micros <= MAX_MICROS:
                raise InputError(f"limits[{row}].limit_micros", each.limit_micros, "give 0 to 2**53 micros")
            if each.day != LIFETIME and not _is_date(each.day):
                raise InputError(f"limits[{row}].day", each.day, f"give YYYY-MM-DD or {LIFETIME!r}")
        if limits:
            self._database.write(lambda link: set_limits(self._database, link, limits))

    def renew(
        self,
        replica_id: str,
        placements: Sequence[Reservation],
        wants: Sequence[Want],
        now: float,
        lease_s: float = 5.0,
        share: float = 1.0,
    ) -> list[Slice]:
        """Flush a replica's placements since its last call, and fill up or give back its leases.

        A lease grows by at most `share` of what its budget has left (rounded up), or up to the want's
        `least_micros` where that is more; never beyond what is left.
        All leases of the replica live until `now + lease_s` and then go back by `expire`. Returns the
        lease after the call of each campaign and day that was named in `placements` or `wants`.
        """
        if not 0 < share <= 1:
            raise InputError("share", share, "give a share in (0, 1]")
        for row, want in enumerate(wants):
            if not 0 <= want.target_micros <= MAX_MICROS:
                raise InputError(f"wants[{row}].target_micros", want.target_micros, "give 0 to 2**53 micros")
            if not 0 <= want.least_micros <= want.target_micros:
                raise InputError(f"wants[{row}].least_micros", want.least_micros, "at most the target")
        return self._database.write(
            lambda link: renew(self._database, link, replica_id, placements, wants, now + lease_s, share)
        )

    def settle(self, events: Sequence[PlacementEvent], now: float) -> list[Settlement]:
        """Record events and charge the billable ones; one answer an event, in the order given."""
        if not events:
            return []
        return self._database.write(lambda link: settle(self._database, link, events, now))

    def expire(self, now: float) -> Expired:
        """Give back overdue reservations and the leases of replicas past their time."""
        total = Expired(0, 0, 0, 0)
        while True:
            part = self._database.write(lambda link: expire(self._database, link, now, SWEEP))
            total = Expired(
                total.reservations + part.reservations,
                total.reserved_micros + part.reserved_micros,
                total.replicas + part.replicas,
                total.leased_micros + part.leased_micros,
            )
            if part.reservations < SWEEP:
                return total

    def balances(self, campaign_ids: Sequence[int]) -> list[Balance]:
        """All budgets of the campaigns, ordered by campaign and day."""
        query = (
            sa.select(budget)
            .where(self._database.among(budget.c.campaign_id, "campaigns"))
            .order_by(budget.c.campaign_id, budget.c.day)
        )
        bound = {"campaigns": self._database.listed(int(each) for each in campaign_ids)}
        return self._database.read(lambda link: [Balance(*row) for row in link.execute(query, bound)])

    def recent(self, within_s: float) -> dict[tuple[int, str], int]:
        """Micros held by campaign and day for the placements of the last `within_s` seconds.

        Older placements are left out: the most of them will expire without their billable event.
        """
        if not within_s >= 0:
            raise InputError("within_s", within_s, "give 0 seconds or more")
        return self._database.read(lambda link: recent(link, within_s))

    def statement(self, campaign_id: int) -> Statement:
        """One campaign's budgets, charges and events."""
        return self._database.read(lambda link: statement(link, campaign_id))

    def close(self) -> None:
        """Give back the database connections."""
        self._database.close()


def _is_date(day: str) -> bool:
    try:
        return date.fromisoformat(day).isoformat() == day
    except ValueError:
        return False
