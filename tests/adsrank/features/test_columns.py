from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest

from adsrank.features.columns import RECENT, ad_columns, match_columns, request_columns
from adsrank.features.examples import ACTIONS, AD, CONTEXT, MATCH
from adsrank.features.transform import CompiledTransform
from adsrank.request import ActionType, AdRequest
from tests.adsrank.with_actions import WITH_ACTIONS

TIME = datetime(2026, 3, 4, 17, 30, tzinfo=UTC)  # a Wednesday
SCORES = {
    name: np.array([0.25, 0.5, 0.75], np.float32)
    for name in ("similarity", "similarity_mean", "interest_match")
}


def request(**changes):
    base = {
        "request_id": "r1", "user_id": "u1", "time": TIME, "user_interests": [10, 11],
        "recent_interests": list(range(30)), "intents": [{"embedding": [1.0], "source": "session"}],
    }  # fmt: skip
    return AdRequest.model_validate({**base, **changes})


@pytest.fixture
def snapshot():
    n = 5
    return SimpleNamespace(
        ad_id=np.arange(n) + 1000, campaign_id=np.arange(n) + 100, advertiser_id=np.arange(n) + 10,
        interest=np.arange(n, dtype=np.int32) + 10, format=np.array(["image"] * n, object),
        objective=np.array(["AWARENESS"] * n), created_at=np.full(n, int(TIME.timestamp()) - 36 * 3600),
    )  # fmt: skip


def test_request_ad_and_match_columns_are_all_columns_of_the_schema(snapshot):
    columns = request_columns(request()) | ad_columns(snapshot, np.array([4, 0, 2]), TIME)
    columns |= match_columns(request(), SCORES)
    known = {field.name for field in (*CONTEXT, *AD, *MATCH)} - {"request_id", "time"}
    assert set(columns) == known
    assert columns["hour"] == 17
    assert columns["weekday"] == 2
    assert columns["recent_interests"].tolist() == list(range(30))[-RECENT:]
    assert columns["ad_id"].tolist() == [1004, 1000, 1002]
    assert columns["ad_age_days"].tolist() == [1.5, 1.5, 1.5]


def acted(kind, seconds_ago, **more):
    return {"type": kind, "time": (TIME - timedelta(seconds=seconds_ago)).isoformat(), **more}


def test_actions_are_columns_oldest_first_with_their_ages():
    asked = request(
        recent_actions=[
            acted("hide", 2.5, item=2**62),
            acted("save", 90_000, interest=11),
            acted("click", 60),
        ]
    )
    columns = request_columns(asked)
    codes = [each.code for each in (ActionType.SAVE, ActionType.CLICK, ActionType.HIDE)]
    assert columns["action_type"].tolist() == codes == [1, 2, 4]
    assert columns["action_interest"].tolist() == [11, 0, 0]
    assert columns["action_item"].tolist() == [0, 0, 2**62]
    assert columns["action_age_s"].tolist() == [90_000, 60, 2.5]
    logged = {field.name: field.type.value_type for field in CONTEXT if field.name in ACTIONS}
    for name, kind in logged.items():
        assert columns[name].dtype == kind.to_pandas_dtype()


def test_an_action_after_its_request_was_not_known_then():
    asked = request(recent_actions=[acted("save", -3600), acted("click", -1.0), acted("hide", 10)])
    columns = request_columns(asked)
    assert columns["action_type"].tolist() == [4, 2]  # a second's difference is two clocks, not the future
    assert columns["action_age_s"].tolist() == [10, 0]


def test_times_of_actions_without_an_offset_are_utc():
    asked = request(recent_actions=[{"type": "save", "time": "2026-03-04T17:29:00"}])
    assert request_columns(asked)["action_age_s"].tolist() == [60]


def test_hours_are_utc_whatever_the_zone_of_the_request():
    assert request_columns(request(time="2026-03-04T23:30:00-05:00"))["hour"] == 4


def test_without_personalization_no_user_signal_reaches_a_model(snapshot):
    plain = request(personalized=False, recent_actions=[acted("save", 60, interest=11)])
    columns = request_columns(plain) | match_columns(plain, SCORES)
    assert columns["user_id"] is None
    for name in ("user_interests", "recent_interests", *ACTIONS):
        assert columns[name].size == 0
    for name in SCORES:
        assert np.isnan(columns[name]).all()
    other = request(personalized=False, user_id="u2", user_interests=[29], recent_interests=[28])
    again = request_columns(other) | match_columns(other, SCORES)
    for name, value in columns.items():
        assert np.array_equal(value, again[name], equal_nan=name in SCORES)


def test_without_personalization_the_pages_own_similarity_counts():
    pin = request(personalized=False, intents=[{"embedding": [1.0], "source": "pin"}])
    columns = match_columns(pin, SCORES)
    assert columns["similarity"].tolist() == [0.25, 0.5, 0.75]
    assert np.isnan(columns["interest_match"]).all()
    mixed = request(
        personalized=False,
        intents=[{"embedding": [1.0], "source": "pin"}, {"embedding": [1.0], "source": "user"}],
    )
    assert np.isnan(match_columns(mixed, SCORES)["similarity"]).all()


def test_a_similarity_without_a_vector_on_either_side_is_missing_and_not_zero():
    nothing = match_columns(request(intents=[]), SCORES)
    assert np.isnan(nothing["similarity"]).all()
    assert np.isnan(nothing["similarity_mean"]).all()
    assert nothing["interest_match"].tolist() == [0.25, 0.5, 0.75]
    some = match_columns(request(), SCORES, np.array([True, False, True]))
    assert np.isnan(some["similarity"]).tolist() == [False, True, False]
    assert some["interest_match"].tolist() == [0.25, 0.5, 0.75]


def test_what_serving_computes_is_what_the_offline_table_holds(planted, snapshot):
    """A row of the log, asked again as a request: the same features to the bit."""
    table = planted.table.slice(0, 4000)
    fitted = CompiledTransform.fit(table, WITH_ACTIONS)
    row = table.slice(8, 1).to_pylist()[0]
    asked = AdRequest(
        request_id=row["request_id"], user_id=row["user_id"], time=row["time"], surface=row["surface"],
        country=row["country"], device=row["device"], user_interests=row["user_interests"],
        recent_interests=row["recent_interests"], intents=[{"embedding": [1.0]}],
        recent_actions=[
            {
                "type": list(ActionType)[kind - 1],
                "interest": interest,
                "time": row["time"] - timedelta(seconds=age),
            }
            for kind, interest, age in zip(
                row["action_type"], row["action_interest"], row["action_age_s"], strict=True
            )
        ],
    )  # fmt: skip
    created = row["time"].timestamp() - float(np.float32(row["ad_age_days"])) * 86_400
    one = SimpleNamespace(
        ad_id=np.array([row["ad_id"]]), campaign_id=np.array([row["campaign_id"]]),
        advertiser_id=np.array([row["advertiser_id"]]), interest=np.array([row["ad_interest"]], np.int32),
        format=np.array([row["format"]], object), objective=np.array([row["objective"]], object),
        created_at=np.array([created]),
    )  # fmt: skip
    match = {name: np.array([row[name]], np.float32) for name in SCORES}
    columns = (
        request_columns(asked) | ad_columns(one, np.array([0]), row["time"]) | match_columns(asked, match)
    )
    online, offline = fitted.apply(columns), fitted.apply(table.slice(8, 1))
    assert np.array_equal(online.ids, offline.ids)
    assert online.numbers == pytest.approx(offline.numbers, abs=1e-6)
    for one_list, other in zip(online.request.lists, offline.request.lists, strict=True):
        assert np.array_equal(one_list, other)
    (one_sequence,), (other_sequence,) = online.request.sequences, offline.request.sequences
    assert one_sequence.ids.any()
    assert np.array_equal(one_sequence.ids, other_sequence.ids)
    assert np.array_equal(one_sequence.age, other_sequence.age)
