from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from adsrank.errors import InputError
from adsrank.features.examples import ACTIONS, AD, CONTEXT, LABELS, MATCH, SCHEMA
from adsrank.features.transform import CompiledTransform
from adsrank.training.join import join, join_log
from adsrank.training.labels import Labels
from auction.auction import hold_auction
from auction.billable import Billable, Grade
from auction.log.events import EVENT_SCHEMA, EventWriter, LoggedEvent
from auction.log.record import DecisionRecord
from auction.log.writer import LogWriter
from auction.policy import AuctionPolicy, Exposure, FeedRules
from auction.slate import Slate
from tests.adsrank.with_actions import WITH_ACTIONS

T0 = datetime(2026, 3, 2, 12, tzinfo=UTC)


def shown(*ids, **changes):
    """Placements as the decision log gives them, one minute apart."""
    n = len(ids)
    values = {
        "request_id": [f"r{i}" for i in range(n)], "time": [T0 + timedelta(minutes=i) for i in range(n)],
        "user_id": [None] * n, "surface": ["home"] * n, "country": ["US"] * n, "device": ["phone"] * n,
        "hour": [12] * n, "weekday": [0] * n, "user_interests": [[10, 11]] * n, "recent_interests": [[]] * n,
        "action_type": [[2, 1]] * n, "action_interest": [[11, 0]] * n, "action_item": [[0, 7]] * n,
        "action_age_s": [[90.0, 2.5]] * n,
        "ad_id": list(range(n)), "campaign_id": [1] * n, "advertiser_id": [1] * n, "ad_interest": [10] * n,
        "format": ["image"] * n, "objective": ["AWARENESS"] * n, "ad_age_days": [1.5] * n,
        "similarity": [0.5] * n, "similarity_mean": [0.25] * n, "interest_match": [1.0] * n,
        "position": list(range(2, n + 2)), "gap": [0] * n,
    }  # fmt: skip
    schema = pa.schema([field for field in SCHEMA if field not in LABELS])
    return (
        pa.table(values, schema=schema)
        .append_column("placement_id", pa.array(list(ids)))
        .select(["placement_id", *schema.names])
    )


def events(*rows):
    """(event_id, placement_id, type, minutes after T0[, value[, status]])"""
    made = [(*row, *(0, "recorded")[len(row) - 4 :]) for row in rows]
    columns = list(zip(*made, strict=True)) if made else [[]] * 6
    n = len(made)
    return pa.table(
        {
            "event_id": columns[0], "placement_id": columns[1], "request_id": ["r"] * n, "ad_id": [0] * n,
            "campaign_id": [1] * n, "type": columns[2],
            "time": [T0 + timedelta(minutes=minutes) for minutes in columns[3]],
            "value_micros": columns[4], "charge_micros": [0] * n, "status": columns[5],
        },
        schema=EVENT_SCHEMA,
    )  # fmt: skip


def test_labels_come_by_placement_and_features_as_they_were_logged():
    found = join(
        [shown("a", "b")], [events(("1", "b", "click", 5), ("2", "a", "save", 5), ("3", "b", "hide", 6))]
    )
    assert found.schema == SCHEMA
    assert found["click"].to_pylist() == [0, 1]
    assert found["save"].to_pylist() == [1, 0]
    assert found["hide"].to_pylist() == [0, 1]
    assert found["similarity"].to_pylist() == [0.5, 0.5]
    assert found["position"].to_pylist() == [2, 3]


def test_a_conversion_counts_within_the_window_of_its_click_and_once():
    day = 24 * 60
    found = join(
        [shown("in", "late", "unclicked", "before", "twice")],
        [
            events(
                ("c1", "in", "click", 10), ("v1", "in", "conversion", 10 + 2 * day, 7_000_000),
                ("c2", "late", "click", 10), ("v2", "late", "conversion", 11 + 3 * day, 5_000_000),
                ("v3", "unclicked", "conversion", 20, 5_000_000),
                ("c4", "before", "click", 30), ("v4", "before", "conversion", 29, 5_000_000),
                ("c5", "twice", "click", 10), ("v6", "twice", "conversion", 90, 2_000_000),
                ("v5", "twice", "conversion", 70, 3_000_000),
            )
        ],
        attribution_days=3.0,
    )  # fmt: skip
    assert found["conversion"].to_pylist() == [1, 0, 0, 0, 1]
    assert found["value_micros"].to_pylist() == [7_000_000, 0, 0, 0, 3_000_000]
    assert found["conversion_delay_s"].to_pylist() == [2 * 86_400.0, None, None, None, 3600.0]


def test_one_conversion_is_credited_to_one_ad_whatever_is_sent_again():
    """Two ads clicked, one order: its event names one of them, and sent again it names no other."""
    found = join(
        [shown("a", "b")],
        [
            events(
                ("1", "a", "click", 5), ("2", "b", "click", 6), ("order", "b", "conversion", 60, 4_000_000)
            ),
            events(("order", "b", "conversion", 60, 4_000_000), ("order", "a", "conversion", 60, 4_000_000)),
        ],
    )
    assert found["conversion"].to_pylist() == [0, 1]
    assert found["value_micros"].to_pylist() == [0, 4_000_000]


def test_another_window_gives_other_labels_of_the_same_events():
    day = 24 * 60
    logged = events(
        *[(f"c{i}", f"p{i}", "click", 10) for i in range(5)],
        *[(f"v{i}", f"p{i}", "conversion", 10 + i * day, 1_000_000) for i in range(5)],
    )
    placed = shown(*[f"p{i}" for i in range(5)])
    labels = {days: join([placed], [logged], days)["conversion"].to_pylist() for days in (1.0, 3.0, 7.0)}
    assert labels == {1.0: [1, 1, 0, 0, 0], 3.0: [1, 1, 1, 1, 0], 7.0: [1, 1, 1, 1, 1]}
    # A table that was joined with the long window can be read with a shorter one, to the same labels.
    long = join([placed], [logged], 7.0)
    assert [Labels.read(long, days).conversion.tolist() for days in labels] == list(labels.values())


def test_repeated_shuffled_and_invalid_events_change_nothing():
    rows = [
        ("1", "a", "click", 5), ("1", "a", "click", 5, 0, "duplicate"), ("2", "b", "click", 5, 0, "INVALID"),
        ("3", "c", "click", 5, 0, "expired"), ("4", "nobody", "click", 5), ("5", "d", "click", -100),
        ("6", "e", "click", 9, 0, "free"),
    ]  # fmt: skip
    expected = [1, 0, 0, 0, 1]
    placed = shown("a", "b", "c", "d", "e")
    assert join([placed], [events(*rows)])["click"].to_pylist() == expected
    assert join([placed], [events(row) for row in rows[::-1]])["click"].to_pylist() == expected


def test_rows_come_oldest_first_and_a_placement_logged_twice_counts_once():
    placed = shown("a", "b", "c")
    found = join([placed.slice(2, 1), placed.slice(0, 2), placed.slice(1, 1)], [])
    assert found["ad_id"].to_pylist() == [0, 1, 2]
    assert found["click"].to_pylist() == [0, 0, 0]


def test_a_log_of_before_actions_were_logged_still_joins():
    old = shown("a", "b").drop_columns(list(ACTIONS))
    found = join([old, shown("c")], [])
    assert found.schema == SCHEMA
    assert sorted(len(row or []) for row in found["action_type"].to_pylist()) == [0, 0, 2]
    blank = CompiledTransform.fit(found, WITH_ACTIONS).apply(found)
    assert (blank.request.sequences[0].ids.any(axis=(1, 2))).sum() == 1


def test_the_first_click_starts_the_window():
    found = join(
        [shown("a")],
        [events(("2", "a", "click", 60), ("1", "a", "click", 10), ("3", "a", "conversion", 70, 1_000_000))],
    )
    assert found["conversion_delay_s"].to_pylist() == [3600.0]


def test_a_feature_that_was_not_logged_is_named():
    with pytest.raises(InputError, match="similarity"):
        join([shown("a").drop_columns(["similarity"])], [])
    wrong = shown("a").drop_columns(["hour"]).append_column("hour", pa.array(["noon"]))
    with pytest.raises(InputError, match="hour"):
        join([wrong], [])


def test_no_placements_give_an_empty_table_and_many_a_large_one():
    assert join([], []).num_rows == 0
    ids = [f"p{i}" for i in range(20_000)]
    clicks = events(*[(f"e{i}", f"p{i}", "click", 15_000) for i in range(0, 14_000, 7)])
    assert int(np.sum(join([shown(*ids)], [clicks])["click"].to_numpy())) == 2000


def test_a_log_written_by_the_engines_own_writer_becomes_the_training_table(tmp_path):
    policy = AuctionPolicy(
        exposure=Exposure(examination=[1.0] * 20),
        rules=FeedRules(min_gap=4, max_ads=2, max_share=0.5),
        name="t",
    )
    n, k = 3, 8
    ones = np.ones(n)
    slate = Slate(
        seed=1, ad_id=np.array([71, 72, 73]), advertiser_id=np.array([7, 8, 9]),
        campaign_id=np.array([1, 2, 3]),
        billable=np.full(n, Billable.CLICK, np.int8), bid_micros=np.array([900_000, 800_000, 100]),
        multiplier=ones, p_click=ones * 0.05, p_conversion_given_click=ones * 0.1,
        p_click_conversion=ones * 0.005, p_save=ones * 0.01, p_hide=ones * 0.001,
        tolerance=np.full(n, Grade.HIGH, np.int8), relevance=ones, organic_utility=np.full(k, 10_000.0),
        organic_grade=np.zeros(k, np.int8),
    )  # fmt: skip
    outcome = hold_auction(slate, policy)
    shown_ads = np.flatnonzero(outcome.position)
    assert len(shown_ads) == 2
    order = shown_ads[np.argsort(outcome.position[shown_ads])]
    logged = {
        "surface": "home", "country": "US", "device": "phone", "hour": 12, "weekday": 0,
        "user_interests": [10, 11], "recent_interests": [],
    }  # fmt: skip
    writer = LogWriter(tmp_path, "one", context=CONTEXT, features=[*AD, *MATCH])
    writer.keep(policy)
    record = DecisionRecord(
        request_id="r1", user_id="u1", surface="home", time=T0, policy_hash=policy.hash, slate=slate,
        outcome=outcome, organic_id=[f"o{number}" for number in range(k)], placement_id=["p1", "p2"],
        raw=dict.fromkeys(("click", "conversion_given_click", "save", "hide"), ones * 0.1),
        context={name: value for name, value in logged.items() if name != "surface"},
        features={
            "ad_interest": [10, 20], "format": ["image", "video"], "objective": ["CONVERSION", "AWARENESS"],
            "ad_age_days": [1.0, 2.0], "similarity": [0.75, 0.5], "similarity_mean": [0.5, 0.25],
            "interest_match": [1.0, 0.0],
        },
    )  # fmt: skip
    writer.append(record)
    writer.flush()
    EventWriter(tmp_path, "one").write(
        [LoggedEvent("e1", "p2", "r1", 72, 2, "click", T0 + timedelta(minutes=1), 0, 500, "charged")]
    )
    found = join_log(tmp_path)
    assert found.schema == SCHEMA
    assert found["ad_id"].to_pylist() == slate.ad_id[order].tolist()
    assert found["position"].to_pylist() == outcome.position[order].tolist()
    assert found["gap"].to_pylist() == [0, int(np.diff(outcome.position[order])[0])]
    assert found["click"].to_pylist() == [0, 1]
    assert found["similarity"].to_pylist() == [0.75, 0.5]
    assert found["user_interests"].to_pylist() == [[10, 11]] * 2
