from datetime import UTC, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from adsrank.data.history import history
from adsrank.data.outcome import respond
from adsrank.data.traffic import requests
from adsrank.data.truth import Truth
from adsrank.features.columns import request_columns
from adsrank.features.examples import ACTIONS, SCHEMA
from auction.errors import InputError

ROWS = 60_000


@pytest.fixture(scope="module")
def table(truth, end) -> pa.Table:
    return history(truth, 21, end, days=14, impressions=ROWS)


def column(table: pa.Table, name: str) -> np.ndarray:
    return table[name].to_numpy(zero_copy_only=False)


def test_the_table_has_the_schema_of_the_training_table_exactly(table) -> None:
    assert table.schema.equals(SCHEMA, check_metadata=True)
    assert table.num_rows == ROWS
    assert [name for name in SCHEMA.names if table[name].null_count] == ["conversion_delay_s"]
    table.validate(full=True)


def test_equal_arguments_give_equal_tables(truth, end) -> None:
    first = history(truth, 4, end, days=2, impressions=700)
    assert history(truth, 4, end, days=2, impressions=700).equals(first)
    assert not history(truth, 5, end, days=2, impressions=700).equals(first)
    assert first.num_rows == 700


def test_rows_lie_in_the_days_before_the_end_in_order_of_time(table, end) -> None:
    times = column(table, "time").astype("datetime64[us]").astype(np.int64) / 1e6
    assert times.min() >= (end - timedelta(days=14)).timestamp()
    assert times.max() < end.timestamp()
    assert (np.diff(times) >= 0).all()
    hour, weekday = column(table, "hour"), column(table, "weekday")
    assert np.array_equal(hour, pc.hour(table["time"]).to_numpy())
    assert np.array_equal(weekday, pc.day_of_week(table["time"]).to_numpy())


def test_exposure_can_be_recovered_from_the_log_alone(truth, table) -> None:
    """Places are independent of relevance, so ratios of raw click rates are ratios of exposures."""
    engaged = column(table, "click") + column(table, "save") > 0
    position, gap = column(table, "position"), column(table, "gap")
    law = truth.law.exposure
    free = (gap == 0) | (gap >= 5)

    def rate(rows: np.ndarray) -> tuple[float, float]:
        """Engagement rate relative to the exposure that the law says, and its standard error."""
        expected = law.of(position[rows], gap[rows]).sum()
        count = engaged[rows].sum()
        return count / expected, np.sqrt(count) / expected

    base, base_error = rate(free)
    for low, high in ((1, 5), (6, 12), (13, 20), (21, 30), (31, 45), (46, 64)):
        found, error = rate(free & (position >= low) & (position <= high))
        assert abs(found - base) < 4 * np.hypot(error, base_error), (low, found, base)
    for d in range(1, 5):
        found, error = rate(gap == d)
        assert abs(found - base) < 4 * np.hypot(error, base_error), (d, found, base)
    # The curves are in the labels: without them the same comparison fails.
    close, far = engaged[gap == 1].mean(), engaged[free].mean()
    assert close < 0.8 * far
    assert engaged[position > 30].mean() < 0.5 * engaged[position < 6].mean()


def test_places_do_not_depend_on_relevance(table) -> None:
    similarity = column(table, "similarity")
    assert abs(np.corrcoef(similarity, column(table, "position"))[0, 1]) < 0.015
    assert abs(np.corrcoef(similarity, column(table, "gap"))[0, 1]) < 0.015


def test_the_log_explores(table) -> None:
    similarity = column(table, "similarity")
    assert np.quantile(similarity, 0.1) < 0.2
    assert np.quantile(similarity, 0.9) > 0.55
    assert len(np.unique(column(table, "ad_id"))) > 600
    assert {0, 1, 2, 3, 4, 5, 8, 14} <= set(column(table, "gap").tolist())
    assert len(np.unique(column(table, "position"))) == 64


def test_rates_in_the_log_are_those_of_an_ordinary_ads_log(table) -> None:
    click, conversion = column(table, "click"), column(table, "conversion")
    assert 0.015 < click.mean() < 0.04
    assert 0.03 < conversion.sum() / click.sum() < 0.09
    assert 0.008 < column(table, "save").mean() < 0.03
    assert 0.0008 < column(table, "hide").mean() < 0.006
    assert (conversion <= click).all()


def test_a_conversion_has_its_delay_and_value_and_nothing_else_has(table) -> None:
    conversion = column(table, "conversion") == 1
    delay = table["conversion_delay_s"]
    assert np.array_equal(delay.is_valid().to_numpy(), conversion)
    assert conversion.sum() > 40
    assert (column(table, "value_micros")[conversion] > 0).all()
    assert (column(table, "value_micros")[~conversion] == 0).all()


def test_conversions_that_the_end_could_not_see_are_missing(truth, end) -> None:
    """The same log, cut now and looked at again three days later: labels only ever ripen."""
    seed, days, shown = 9, 6, 20_000
    now = history(truth, seed, end, days=days, impressions=shown)
    late = history_seen_at(truth, seed, end, days, shown)
    ripe, fresh = column(late, "conversion"), column(now, "conversion")
    assert late["request_id"].equals(now["request_id"])
    assert (ripe >= fresh).all()
    assert ripe.sum() > fresh.sum()
    missed = np.flatnonzero(ripe > fresh)
    ends_at = column(late, "time").astype("datetime64[us]").astype(np.int64) / 1e6
    ends_at = ends_at + column(late, "conversion_delay_s")
    assert (ends_at[missed] > end.timestamp() - 200).all()
    assert (ends_at[(fresh == 1)] <= end.timestamp()).all()


def history_seen_at(truth: Truth, seed: int, end, days: int, shown: int) -> pa.Table:
    """The same visits and ads with every label ripe, by moving the cut and nothing else."""
    from adsrank.data import history as module

    cut = module._columns

    def ripe(truth, visits, block, rows, _end):
        return cut(truth, visits, block, rows, end + timedelta(days=4))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_columns", ripe)
        return history(truth, seed, end, days=days, impressions=shown)


def test_the_columns_of_a_row_are_those_of_its_request(world, truth, end) -> None:
    shown, days = 1_500, 14
    table = history(truth, 33, end, days=days, impressions=shown)
    visits = int(shown / 3.5) + 64
    sent = {r.request_id: r for r in requests(world, 33, end - timedelta(days=days), days * 24, visits)}
    rows = table.to_pylist()
    labels = {"click": 0, "save": 0, "hide": 0}
    for row in rows:
        request = sent[row["request_id"]]
        context = truth.context(request, [row["ad_id"]])
        assert row["user_interests"] == request.user_interests
        assert row["recent_interests"] == request.recent_interests
        asked = request_columns(request)
        for name in ACTIONS:
            assert row[name] == asked[name].tolist()
        assert row["time"] == request.time
        assert row["time"].tzinfo is not None
        found = (row["surface"], row["country"], row["device"], row["user_id"])
        assert found == (request.surface, request.country, request.device, request.user_id)
        intents, vector = request.intent_matrix(), truth.inventory.vector[context.ad[0]]
        cosine = intents @ vector / np.linalg.norm(intents, axis=1)
        weight = np.array([intent.weight for intent in request.intents])
        assert row["similarity"] == pytest.approx(cosine.max(), abs=1e-6)
        assert row["similarity_mean"] == pytest.approx(cosine @ weight / weight.sum(), abs=1e-6)
        assert row["interest_match"] == float(row["ad_interest"] in request.user_interests)
        assert row["ad_age_days"] == pytest.approx(context.ad_age_days[0], abs=1e-4)
        events = {
            event["type"] for event in respond(truth, request, [(row["ad_id"], row["position"], row["gap"])])
        }
        for name in labels:
            assert (name in events) == bool(row[name])
            labels[name] += row[name]
    assert labels["click"] > 12
    assert labels["save"] > 5


def test_only_ads_that_could_be_shown_are_in_the_log(world, truth, table) -> None:
    ads = truth.inventory
    row = ads.row_of(column(table, "ad_id"))
    time = column(table, "time").astype("datetime64[us]").astype(np.int64) / 1e6
    assert ads.active[row].all()
    assert (column(table, "ad_age_days") >= 0).all()
    assert (ads.starts_at[row] <= time).all()
    assert (time < ads.ends_at[row]).all()
    country, interests = column(table, "country"), table["user_interests"].to_pylist()
    narrow = 0
    for k in range(0, ROWS, 7):
        spec = ads.targeting[row[k]]
        assert country[k] in spec.get("countries", [country[k]])
        assert set(interests[k]) & set(spec.get("interests", interests[k]))
        narrow += "interests" in spec
    assert narrow > 50


def test_ads_of_a_page_stand_in_order_a_gap_apart_each_of_another_advertiser(table) -> None:
    request, position, gap = column(table, "request_id"), column(table, "position"), column(table, "gap")
    advertiser = column(table, "advertiser_id")
    order = np.lexsort((position, request))
    same = request[order][1:] == request[order][:-1]
    apart = np.diff(position[order])[same]
    assert (apart >= 1).all()
    assert np.array_equal(apart, gap[order][1:][same])
    pairs = np.unique(np.char.add(request.astype(str), advertiser.astype(str)))
    assert len(pairs) == ROWS
    first = np.concatenate([[True], ~same])
    follows = np.array([name.rsplit("-", 1)[1] != "0" for name in request[order][first]])
    assert np.array_equal(gap[order][first] > 0, follows)


def test_a_log_of_nothing_is_refused(truth, world, rows, end) -> None:
    with pytest.raises(InputError, match="impressions"):
        history(truth, 1, end, impressions=0)
    paused = [{**row, "status": "PAUSED"} if row["kind"] == "campaign" else row for row in rows]
    with pytest.raises(InputError, match="no active ad"):
        history(Truth(world, paused, 1), 1, end, impressions=10)
    early = end.astimezone(UTC) - timedelta(days=3000)
    with pytest.raises(InputError, match="too few ads"):
        history(truth, 1, early, impressions=10)
