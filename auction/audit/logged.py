"""What of a decision log is audited: a sample of its slates, and its charges."""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from auction.audit.identities import Identity, identity
from auction.batch import SlateBatch
from auction.errors import InputError
from auction.log.events import read_events
from auction.log.reader import DecisionLog
from auction.log.schema import PLACEMENT_ID
from auction.policy import AuctionPolicy
from auction.slate import Slate


def logged_slates(log: DecisionLog, count: int, seed: int = 0) -> tuple[SlateBatch, AuctionPolicy]:
    """Up to `count` slates of held auctions, drawn without order, and the policy that decided them.

    Where the log holds several policies it is the one of most decisions. Two passes; memory is that of one
    row group and the sample.

    Raises:
        InputError: an unreadable log, or one without an auction.
    """
    held: Counter[str] = Counter()
    for table in log.tables(["policy_hash", "held"]):
        rows = table.filter(table.column("held"))
        held.update(rows.column("policy_hash").to_pylist())
    if not held:
        raise InputError(str(log.folder), "no auction", "give a log in which an auction was held")
    policy_hash, total = held.most_common(1)[0]
    taken = np.random.default_rng(seed).choice(total, min(count, total), replace=False)
    chosen = np.zeros(total, np.bool_)
    chosen[taken] = True
    slates: list[Slate] = []
    seen = 0
    for batch in log.decisions():
        mine = np.array([h == policy_hash for h in batch.policy_hash.to_pylist()], np.bool_)
        rows = np.flatnonzero(mine & batch.held)
        slates += [batch.slates.slate(int(row)) for row in rows[chosen[seen : seen + len(rows)]]]
        seen += len(rows)
    return SlateBatch.of(slates), log.policy(policy_hash)


def check_charges(log: DecisionLog, folder: str | Path | None = None) -> Identity:
    """Whether the log's events charge each placement once and at most its price, to the micro.

    `checked` counts charged events. A placement that the log does not hold (it was cut, or its part is
    still being written) is not one that can be checked, and is not counted.
    """
    events = [
        table.filter(pc.greater(table.column("charge_micros"), 0)).select(
            [PLACEMENT_ID, "charge_micros", "event_id"]
        )
        for table in read_events(folder or log.folder)
    ]
    charged: dict[str, list[int]] = {}
    for table in events:
        for placement, charge in zip(
            table.column(PLACEMENT_ID).to_pylist(), table.column("charge_micros").to_pylist(), strict=True
        ):
            charged.setdefault(placement, []).append(charge)
    broken: list[str] = []
    checked = 0
    for table in log.tables([PLACEMENT_ID, "price_micros"]) if charged else ():
        for names, prices in zip(
            table.column(PLACEMENT_ID).to_pylist(), table.column("price_micros").to_pylist(), strict=True
        ):
            for name, price in zip(names, prices, strict=True):
                charges = charged.get(name, [])
                checked += len(charges)
                if len(charges) > 1 or sum(charges) > price:
                    broken.append(f"placement {name} of price {price} is charged {charges}")
    return identity("charges", checked, broken)
