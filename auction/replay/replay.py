"""Decide every logged decision again, under its own policy, and prove that nothing differs."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from auction.batch import OutcomeBatch
from auction.cores import count_cores
from auction.log.decisions import Decisions
from auction.log.reader import DecisionLog
from auction.log.record import SHOWN_COLUMNS
from auction.log.schema import SHOWN_POSITION
from auction.outcome import Setter
from auction.reason import Reason
from auction.replay.again import decide_again, policy_groups
from auction.replay.report import Difference, ReplayReport
from auction.slate import Int64

FIELDS = ("position", *SHOWN_COLUMNS, "reason")
EXPLAINED = 20
"""Differences spelt out in the report; all are counted."""

Progress = Callable[[int], None]
"""Called with the number of decisions done since the last call."""


def replay(
    log: DecisionLog | str | Path, progress: Progress | None = None, *, cores: int | None = 1
) -> ReplayReport:
    """Compare every logged decision with itself decided again: positions, exposures, prices, setters,
    reasons of all candidates and the layout's values, for equality and not for nearness.

    Args:
        log: the log, or its folder.
        progress: called as decisions are done.
        cores: threads that decide; None for every core. The report does not depend on it.

    Raises:
        InputError: an unreadable log (names the file), or `cores` below 1.
    """
    threads = count_cores(cores)
    log = log if isinstance(log, DecisionLog) else DecisionLog(log)
    decided = not_held = differing = 0
    by_field: dict[str, int] = {}
    first: list[Difference] = []
    policies: set[str] = set()
    for batch in log.decisions(campaigns=False):
        held = np.flatnonzero(batch.held)
        not_held += len(batch) - len(held)
        for policy_hash, rows in policy_groups(batch.take(held)):
            policies.add(policy_hash)
            again = decide_again(rows, log.policy(policy_hash), threads)
            bad, counts, spelt = _differences(rows, again, EXPLAINED - len(first))
            differing += bad
            first += spelt
            for name, count in counts.items():
                by_field[name] = by_field.get(name, 0) + count
            decided += len(rows)
        if progress is not None:
            progress(len(batch))
    return ReplayReport(
        log=str(log.folder),
        decisions=decided,
        not_held=not_held,
        differences=differing,
        by_field=by_field,
        first=tuple(first),
        policies=tuple(sorted(policies)),
    )


def _differences(
    rows: Decisions, again: OutcomeBatch, spell: int
) -> tuple[int, dict[str, int], list[Difference]]:
    """How many decisions differ, in which fields, and the first few spelt out."""
    entry = rows.shown_entry()
    wrong: dict[str, np.ndarray] = {}
    # The logged positions are all there again, and as many: so no other ad is shown.
    wrong["position"] = _rows_where(rows, entry, again.position[entry] != rows.shown[SHOWN_POSITION])
    wrong["position"] |= rows.count(again.position) != np.diff(rows.shown_start)
    for name in SHOWN_COLUMNS:
        wrong[name] = _rows_where(rows, entry, getattr(again, name)[entry] != rows.shown[name])
    unequal = np.flatnonzero(again.reason != rows.reason)
    wrong["reason"] = _rows_where(rows, unequal, np.ones(len(unequal), np.bool_))
    for name, logged in rows.values.items():
        wrong[name] = getattr(again, name) != logged
    differing = np.logical_or.reduce(list(wrong.values()))
    counts = {name: int(mask.sum()) for name, mask in wrong.items() if mask.any()}
    spelt: list[Difference] = []
    for row in np.flatnonzero(differing):
        if len(spelt) >= spell:
            break
        spelt += _spell(rows, again, int(row))
    return int(differing.sum()), counts, spelt[:spell]


def _rows_where(rows: Decisions, entry: Int64, mask: np.ndarray) -> np.ndarray:
    """Decisions that own one of the entries of the ad columns for which the mask holds."""
    found = np.zeros(len(rows), np.bool_)
    found[rows.decision_of(entry[mask])] = True
    return found


def _spell(rows: Decisions, again: OutcomeBatch, row: int) -> list[Difference]:
    request = rows.request_id[row].as_py()
    logged = rows.outcome(row)
    ads = slice(int(rows.slates.ad_start[row]), int(rows.slates.ad_start[row + 1]))
    found = []
    for name in FIELDS:
        before, after = getattr(logged, name), getattr(again, name)[ads]
        for at in np.flatnonzero(before != after):
            ad_id = int(rows.slates.ad_id[ads][at])
            words = _word(name, before[at].item()), _word(name, after[at].item())
            found.append(Difference(request, ad_id, name, *words))
    for name, values in rows.values.items():
        if values[row] != getattr(again, name)[row]:
            found.append(
                Difference(
                    request, None, name, repr(float(values[row])), repr(float(getattr(again, name)[row]))
                )
            )
    return found


def _word(name: str, value: int | float) -> str:
    if name == "reason":
        return Reason(int(value)).label
    if name == "setter":
        return Setter(int(value)).name.lower()
    return repr(value)
