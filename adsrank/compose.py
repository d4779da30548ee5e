"""From a passage to the answer and its row in the decision log."""

import numpy as np

from adsrank.candidates import Candidates
from adsrank.decision import Decision, FeedEntry, lay_feed
from adsrank.features.columns import ad_columns, match_columns
from adsrank.passage import Passage
from auction.log.record import DecisionRecord, Departure, StageCount


def compose(passage: Passage) -> Decision:
    """The decision: feed in order, stage reports, and the record that replays it."""
    return Decision(
        request_id=passage.request.request_id,
        feed=_feed(passage),
        stages=passage.reports,
        degraded=passage.degraded,
        policy_hash=passage.policy.hash,
        bundle_id=passage.release.bundle.id,
        snapshot_id=passage.release.snapshot.version,
        record=_record(passage),
    )


def _feed(passage: Passage) -> list[FeedEntry]:
    request = passage.request
    organic_ids = [item.id for item in request.organic]
    return lay_feed(organic_ids, request.modules, {ad.position: ad for ad in passage.placed})


def _record(passage: Passage) -> DecisionRecord:
    request, release = passage.request, passage.release
    assert passage.slate is not None
    assert passage.outcome is not None
    return DecisionRecord(
        request_id=request.request_id,
        user_id=request.user_id if request.personalized else None,
        surface=request.surface.value,
        time=request.time,
        policy_hash=passage.policy.hash,
        bundle_id=release.bundle.id,
        snapshot_id=release.snapshot.version,
        slate=passage.slate,
        outcome=passage.outcome,
        organic_id=[item.id for item in request.organic],
        placement_id=[ad.placement_id for ad in passage.placed],
        raw={} if passage.degraded else _raw(passage.candidates),
        context={name: value for name, value in passage.asked.items() if name != "user_id"},
        features=_features(passage),
        departures=[
            Departure(left.stage, left.reason, release.snapshot.ad_id[left.row])
            for left in passage.candidates.departures
        ],
        stages=[StageCount(r.name, r.came, r.went, r.milliseconds) for r in passage.reports],
        degraded=passage.degraded,
        held=passage.held,
    )


def _raw(candidates: Candidates) -> dict[str, np.ndarray]:
    return {
        name.removeprefix("raw_"): values.astype(np.float64)
        for name, values in candidates.columns.items()
        if name.startswith("raw_")
    }


def _features(passage: Passage) -> dict[str, list]:
    """What the shown ads were scored with, by position, plus where they stood."""
    if not passage.placed:
        return {}
    assert passage.slate is not None
    place = {int(ad_id): entry for entry, ad_id in enumerate(passage.slate.ad_id)}
    entry = np.array([place[ad.ad_id] for ad in passage.placed])
    snapshot, row = passage.release.snapshot, passage.candidates.row[entry]
    columns = {
        **ad_columns(snapshot, row, passage.request.time),
        **match_columns(
            passage.request,
            {name: values[entry] for name, values in passage.candidates.columns.items()},
            snapshot.embedded[row],
        ),
    }
    positions = [ad.position for ad in passage.placed]
    before = passage.request.positions_since_ad
    first_gap = before + positions[0] if before >= 0 else 0
    return {name: values.tolist() for name, values in columns.items()} | {
        "position": positions,
        "gap": [first_gap, *np.diff(positions).tolist()],
    }
