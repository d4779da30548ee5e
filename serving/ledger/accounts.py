"""The budgets that one transaction may change, locked, read and written back together."""

import math
from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auction.day import LIFETIME
from serving.ledger.database import Database, change
from serving.ledger.records import Balance
from serving.ledger.tables import budget

Key = tuple[int, str]

_AT = (budget.c.campaign_id == sa.bindparam("at_campaign")) & (budget.c.day == sa.bindparam("at_day"))
_SPENT = budget.c.spent_micros + sa.bindparam("spent", type_=sa.BigInteger)
_RESERVED = budget.c.reserved_micros + sa.bindparam("reserved", type_=sa.BigInteger)
_LEASED = budget.c.leased_micros + sa.bindparam("leased", type_=sa.BigInteger)
_GRANTED = sa.bindparam("granted", type_=sa.BigInteger)

# The conditions are the promise: whatever the code above believed, no row can pass its limit.
_UPDATE = (
    budget.update()
    .where(_AT)
    .where((sa.bindparam("spent", type_=sa.BigInteger) <= 0) | (budget.c.limit_micros >= _SPENT))
    .where((_GRANTED <= 0) | (budget.c.limit_micros >= _SPENT + _RESERVED + _LEASED))
    .values(
        spent_micros=_SPENT,
        reserved_micros=_RESERVED,
        leased_micros=_LEASED,
        free_micros=budget.c.free_micros + sa.bindparam("free", type_=sa.BigInteger),
    )
)


class _Row:
    """One budget as this transaction would leave it."""

    __slots__ = ("before", "free", "granted", "leased", "limit", "reserved", "spent")

    def __init__(self, before: Balance) -> None:
        self.before = before
        self.limit = before.limit_micros
        self.spent = before.spent_micros
        self.reserved = before.reserved_micros
        self.leased = before.leased_micros
        self.free = before.free_micros
        self.granted = 0

    def changes(self) -> dict[str, int]:
        """By how much each amount moved, as `_UPDATE` binds it."""
        was = self.before
        return {
            "spent": self.spent - was.spent_micros,
            "reserved": self.reserved - was.reserved_micros,
            "leased": self.leased - was.leased_micros,
            "free": self.free - was.free_micros,
            "granted": self.granted,
        }


class Accounts:
    """Budget rows of some campaigns, locked until the transaction ends.

    Every writer locks the rows it will change first and in one order, so no two writers can deadlock
    and what is read here stays true until it is written. A campaign's day counts against two rows
    where both exist, the day's and the lifetime's: whichever has less left decides. A campaign with
    neither may spend nothing.
    """

    def __init__(self, database: Database, link: Connection, keys: Iterable[Key]) -> None:
        self._link = link
        wanted = set(keys)
        days = {day for _, day in wanted} | {LIFETIME}
        query = (
            sa.select(budget)
            .where(database.among(budget.c.campaign_id, "campaigns"), database.among(budget.c.day, "days"))
            .order_by(budget.c.campaign_id, budget.c.day)
            .with_for_update()
        )
        bound = {
            "campaigns": database.listed(sorted({campaign for campaign, _ in wanted})),
            "days": database.listed(sorted(days)),
        }
        found = link.execute(query, bound) if wanted else ()
        self._rows = {(row.campaign_id, row.day): _Row(Balance(*row)) for row in found}
        self._of = {
            (campaign, day): tuple(
                self._rows[key]
                for key in sorted({(campaign, day), (campaign, LIFETIME)})
                if key in self._rows
            )
            for campaign, day in wanted
        }

    def charge(self, campaign_id: int, day: str, price: int) -> int:
        """Spend `price`, or what the budgets can still pay; the rest is free. Returns micros spent.

        Only what was spent stands against the limit here, not what others hold.
        """
        rows = self._of[campaign_id, day]
        paid = max(0, min(price, *(row.limit - row.spent for row in rows))) if rows else 0
        for row in rows:
            row.spent += paid
            row.free += price - paid
        return paid

    def grant(self, campaign_id: int, day: str, need: int, share: float, least: int = 0) -> int:
        """Lease `need` micros, or `share` of what is not spent, held or leased, or `least` if that is more.

        Never more than is left. Returns micros leased.
        """
        rows = self._of[campaign_id, day]
        left = min((row.limit - row.spent - row.reserved - row.leased for row in rows), default=0)
        # Rounded up, so that the last micro can be leased too.
        granted = min(need, left, max(least, math.ceil(left * share))) if left > 0 else 0
        for row in rows:
            row.leased += granted
            row.granted += granted
        return granted

    def move(self, campaign_id: int, day: str, *, reserved: int = 0, leased: int = 0) -> None:
        """Change what is held and leased by these amounts (negative: given back)."""
        for row in self._of.get((campaign_id, day), ()):
            row.reserved += reserved
            row.leased += leased

    def save(self) -> None:
        """Write all changes, each under the condition that its budget holds.

        Raises:
            Conflict: one does not; the transaction is rolled back and made again.
        """
        changes = [(key, row.changes()) for key, row in sorted(self._rows.items())]
        change(
            self._link,
            _UPDATE,
            [
                {"at_campaign": key[0], "at_day": key[1], **moved}
                for key, moved in changes
                if any(moved.values())
            ],
        )
