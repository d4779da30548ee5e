"""kill -9 in the middle of ingesting: no event is lost, none is charged twice."""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from auction.billable import Billable
from serving.ledger import LIFETIME, EventType, Ledger
from serving.token import TokenSigner
from tests.serving.ingest_child import KEY
from tests.serving.market import DAY, NOW, budget, held, placement

CHILD = Path(__file__).with_name("ingest_child.py")
ROOT = Path(__file__).parents[2]
CAMPAIGNS = range(1, 6)
LIMIT = 10_000


def story(seed: int, placements: int = 400) -> tuple[list[dict[str, object]], dict[int, int], int]:
    """Duplicated, shuffled events with forged ones among them; each campaign's due, and valid events."""
    chance = random.Random(seed)
    signer, forger = TokenSigner(KEY), TokenSigner(b"a forger's key, 32 bytes long ..")
    time = datetime.fromtimestamp(NOW + 1, UTC).isoformat()
    events: list[dict[str, object]] = []
    due = dict.fromkeys(CAMPAIGNS, 0)
    valid = 0
    for number in range(placements):
        campaign = chance.choice(CAMPAIGNS)
        billable = chance.choice(list(Billable))
        price = chance.randint(1, 500)
        placed = placement(number, price, campaign=campaign, billable=billable)
        forged = chance.random() < 0.05
        token = (forger if forged else signer).encode(placed)
        kinds = [EventType.IMPRESSION, EventType.CLICK, EventType.CONVERSION, EventType.CONVERSION]
        for turn, kind in enumerate(kinds[: chance.randint(1, 4)]):
            each = {"event_id": f"{number}-{turn}", "token": token, "type": kind, "time": time}
            events += [each] * chance.choice([1, 1, 2, 3])
            valid += not forged
            if kind.name == billable.name and turn < 3 and not forged:
                due[campaign] += price
    chance.shuffle(events)
    return events, due, valid


@contextmanager
def ingesting(address: tuple[str, str | None], file: Path, batch: int) -> Iterator["subprocess.Popen[str]"]:
    url, schema = address
    child = subprocess.Popen(
        [sys.executable, str(CHILD), url, schema or "-", str(file), str(batch)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    try:
        yield child
    finally:
        child.kill()
        child.wait()


def lines(child: "subprocess.Popen[str]", count: int) -> list[str]:
    assert child.stdout is not None
    return [child.stdout.readline().strip() for _ in range(count)]


def test_charges_equal_the_unique_valid_events_to_the_micro_whatever_was_killed(
    address: tuple[str, str | None], open_ledger: Callable[[], Ledger], tmp_path: Path
) -> None:
    ledger = open_ledger()
    ledger.set_budgets([budget(10**9, DAY, each) for each in CAMPAIGNS])
    ledger.set_budgets([budget(LIMIT, LIFETIME, 3)])  # One campaign that runs out.
    ledger.renew("r", [held(number, 40, campaign=1 + number % 5) for number in range(5)], [], NOW)
    events, due, valid = story(11)
    file = tmp_path / "events.jsonl"
    file.write_text("\n".join(json.dumps(each) for each in events))

    for kill_after in (4, 9):
        with ingesting(address, file, 20) as child:
            assert lines(child, kill_after)[0] == "ready"
            # No waiting for a quiet moment: the child is inside some transaction.
            child.send_signal(signal.SIGKILL)
            assert child.wait() == -signal.SIGKILL
    spent = sum(row.spent_micros for row in ledger.balances(list(CAMPAIGNS)) if row.day == DAY)
    assert 0 < spent < sum(due.values()), "it was killed in the middle"

    with ingesting(address, file, 100) as child:
        assert child.stdout is not None
        assert child.stdout.read().split("\n")[-2] == "done"
        assert child.wait() == 0

    expected = {**due, 3: min(due[3], LIMIT)}
    assert expected[3] == LIMIT, "the story has a campaign that runs out"
    accounts = {each: ledger.statement(each) for each in CAMPAIGNS}
    assert {each: account.charged_micros for each, account in accounts.items()} == expected
    assert {
        row.campaign_id: row.spent_micros for row in ledger.balances(list(CAMPAIGNS)) if row.day == DAY
    } == expected
    assert accounts[3].free_micros == due[3] - LIMIT
    assert sum(sum(account.events.values()) for account in accounts.values()) == valid


def test_two_processes_that_ingest_the_same_events_at_once_charge_them_once(
    address: tuple[str, str | None], open_ledger: Callable[[], Ledger], tmp_path: Path
) -> None:
    ledger = open_ledger()
    ledger.set_budgets([budget(10**9, DAY, each) for each in CAMPAIGNS])
    events, due, valid = story(12, 250)
    files = []
    for turn in range(2):
        files.append(tmp_path / f"{turn}.jsonl")
        files[-1].write_text(
            "\n".join(json.dumps(e) for e in random.Random(turn).sample(events, len(events)))
        )
    with ingesting(address, files[0], 50) as first, ingesting(address, files[1], 50) as second:
        for child in (first, second):
            assert child.stdout is not None
            assert child.stdout.read().split("\n")[-2] == "done"
    accounts = [ledger.statement(each) for each in CAMPAIGNS]
    assert [account.charged_micros for account in accounts] == list(due.values())
    assert sum(sum(account.events.values()) for account in accounts) == valid
