"""The check is shown a log of the engine's own, and the same log with one thing wrong at a time."""

import copy
import json
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adsrank.catalog.catalog import Catalog
from adsrank.catalog.file import parse_entity
from adsrank.catalog.freezer import freeze_catalog
from adsrank.data.advertise import advertise
from adsrank.data.builtin import generate
from adsrank.data.history import history
from adsrank.data.traffic import requests
from adsrank.data.truth import Truth
from adsrank.engine import Engine
from adsrank.errors import InputError
from adsrank.features.examples import ACTIONS, AD, CONTEXT, MATCH, PLACE
from adsrank.features.parity import check
from adsrank.features.parity.rows import FEATURES
from adsrank.features.spec import FeatureSpec
from adsrank.features.transform import CompiledTransform
from adsrank.release import Release
from adsrank.retrieval.retriever import Retriever
from adsrank.settings import EngineSettings
from adsrank.training import TrainConfig, train
from auction.budget import OpenBudgets
from auction.frequency import FrequencyCounter
from auction.log import DecisionLog, LogWriter
from auction.policy import AuctionPolicy
from auction.warm import warm
from serving.cli.features import app
from tests.adsrank.with_actions import WITH_ACTIONS

SEED = 5


@pytest.fixture(scope="module")
def world():
    return generate(SEED, users=120, pins=600)


@pytest.fixture(scope="module")
def opens(world):
    return datetime.fromtimestamp(world.epoch, UTC)


@pytest.fixture(scope="module")
def rows(world, opens):
    return advertise(world, SEED, advertisers=20, ads=200, start=opens)


@pytest.fixture(scope="module")
def release(world, opens, rows) -> Release:
    warm()
    table = history(Truth(world, rows, SEED), SEED, opens, impressions=3_000)
    bundle = train(table, WITH_ACTIONS, TrainConfig(epochs=1, embedding_space=world.embedding_space)).bundle
    snapshot = freeze_catalog(Catalog.of([parse_entity(row) for row in rows]))
    return Release(AuctionPolicy(exchange_rate=300_000.0), bundle, snapshot, Retriever.of(snapshot))


@pytest.fixture(scope="module")
def asked(world, opens):
    made = list(requests(world, SEED + 1, opens, 24.0, 25))
    made[3] = made[3].model_copy(update={"personalized": False})
    made[4] = made[4].model_copy(update={"intents": []})
    return {request.request_id: request for request in made}


@pytest.fixture(scope="module")
def folder(release, asked, tmp_path_factory):
    folder = tmp_path_factory.mktemp("parity") / "log"
    engine = Engine(release, OpenBudgets(), FrequencyCounter(), EngineSettings(rank=40, deadline_ms=10_000))
    with LogWriter(folder, "one", context=CONTEXT, features=[*AD, *MATCH, *PLACE]) as writer:
        writer.keep(release.resolved_policy)
        for request in asked.values():
            decision = engine.decide(request)
            assert decision.degraded is None
            writer.append(decision.record)
    return folder


def altered(folder, tmp_path, change):
    """The log with `change` made to each of its tables."""
    for path in folder.rglob("*"):
        to = tmp_path / path.relative_to(folder)
        if path.is_dir():
            to.mkdir(parents=True, exist_ok=True)
        elif path.suffix == ".parquet":
            to.parent.mkdir(parents=True, exist_ok=True)
            table = pq.ParquetFile(path).read()
            pq.write_table(change(table).replace_schema_metadata(table.schema.metadata), to)
    return DecisionLog(tmp_path)


def set_column(table, name, change):
    at = table.schema.get_field_index(name)
    values = [change(value) for value in table[name].to_pylist()]
    return table.set_column(at, table.schema.field(at), pa.array(values, table.schema.field(at).type))


def wrong(report):
    return {(each.column, each.made_from) for each in report.agreements.values() if each.different}


def test_serving_and_the_offline_build_agree_on_every_column(folder, release, asked):
    report = check(DecisionLog(folder), release.snapshot, asked, release.bundle)
    assert report.holds, [each.first for each in report.agreements.values() if each.first]
    assert report.decisions == 25
    assert report.placements > 30
    assert report.unproven == []
    assert report.other_snapshot == 0
    for column in FEATURES:
        assert any(each.equal for (name, _), each in report.agreements.items() if name == column), column
    for column in ("raw_click", "raw_save", "raw_hide", "raw_conversion_given_click", "ids and numbers"):
        compared = next(each for (name, _), each in report.agreements.items() if name == column)
        assert compared.equal == report.placements


def test_with_the_log_alone_the_rest_is_said_to_be_unproven(folder):
    report = check(DecisionLog(folder))
    assert report.holds
    assert set(report.unproven) >= {"ad_interest", "format", "ad_age_days", "similarity", "country"}
    assert "hour" not in report.unproven
    assert "interest_match" not in report.unproven


@pytest.mark.parametrize(
    ("column", "change", "found"),
    [
        ("context_hour", lambda hour: (hour + 1) % 24, ("hour", "time")),
        ("context_country", lambda _: "ZZ", ("country", "request")),
        ("context_action_type", lambda kinds: [4] * len(kinds), ("action_type", "request")),
        ("context_action_age_s", lambda ages: [age + 1 for age in ages], ("action_age_s", "request")),
        ("feature_ad_interest", lambda nodes: [7] * len(nodes), ("ad_interest", "catalog")),
        ("feature_ad_age_days", lambda days: [day * 1.0001 for day in days], ("ad_age_days", "catalog")),
        ("feature_format", lambda names: [None] * len(names), ("format", "catalog")),
        ("feature_similarity", lambda found: [0.5] * len(found), ("similarity", "request and catalog")),
        ("feature_similarity", lambda found: [0.5] * len(found), ("raw_click", "bundle")),
    ],
)
def test_one_altered_column_is_found_by_name(folder, release, asked, tmp_path, column, change, found):
    log = altered(folder, tmp_path, lambda table: set_column(table, column, change))
    report = check(log, release.snapshot, asked, release.bundle)
    assert not report.holds
    assert found in wrong(report)
    assert "logged" in next(e for e in report.agreements.values() if (e.column, e.made_from) == found).first


def test_a_signal_of_a_user_who_must_not_be_known_is_found(folder, tmp_path):
    log = altered(folder, tmp_path, lambda table: set_column(table, "user_id", lambda _: None))
    assert ("user_interests", "privacy") in wrong(check(log))
    assert ("interest_match", "privacy") in wrong(check(log))


def test_a_column_that_was_not_logged_has_nothing_to_compare(folder, release, asked, tmp_path):
    old = altered(folder, tmp_path, lambda table: table.drop_columns([f"context_{name}" for name in ACTIONS]))
    report = check(old, release.snapshot, asked, release.bundle)
    assert report.holds
    assert set(report.unproven) == set(ACTIONS)
    assert report.agreements["ids and numbers", "bundle, both ways"].missing == report.placements


def test_ads_that_the_catalog_has_no_more_and_rows_of_another_bundle_are_counted_apart(
    folder, release, rows, tmp_path
):
    kept = [row for row in rows if row["kind"] != "ad" or row["id"] % 2]
    report = check(DecisionLog(folder), freeze_catalog(Catalog.of([parse_entity(row) for row in kept])))
    assert report.holds
    assert report.other_snapshot == report.placements
    formats = report.agreements["format", "catalog"]
    assert formats.equal > 0
    assert formats.missing > 0
    other = altered(folder, tmp_path, lambda table: set_column(table, "bundle_id", lambda _: "0" * 16))
    report = check(other, bundle=release.bundle)
    assert report.agreements["raw_click", "bundle"].missing == report.placements


def test_the_command_says_what_differs_and_exits_with_1(folder, release, asked, tmp_path, capsys):
    bundle, sent = tmp_path / "bundle", tmp_path / "requests.jsonl"
    release.bundle.save(bundle)
    sent.write_text("".join(request.model_dump_json() + "\n" for request in asked.values()))
    given = ["--requests", str(sent), "--bundle", str(bundle)]
    assert app(["check", str(folder), *given], standalone_mode=False) in (None, 0)
    assert "nothing differs" in capsys.readouterr().out
    app(["tables", str(bundle), "--json"], standalone_mode=False)
    tables = {each["table"]: each for each in json.loads(capsys.readouterr().out)}
    readers = ["user_interests", "recent_interests", "ad_interest", "recent_actions"]
    assert tables["interest"]["features"] == readers
    assert 0.9 < tables["interest"]["own"] <= 1
    log = altered(
        folder, tmp_path / "log", lambda table: set_column(table, "context_device", lambda _: "fridge")
    )
    assert app(["check", str(log.folder), *given], standalone_mode=False) == 1
    said = capsys.readouterr()
    assert "SOMETHING DIFFERS" in said.out
    assert "device (request)" in said.err


def test_a_bundle_that_reads_what_serving_does_not_make_is_never_served(release):
    row = {"name": "weather", "source": "weather", "type": "string", "transform": "vocabulary", "group": "ad"}
    spec = FeatureSpec.model_validate({"extra_sources": ["weather"], "features": [row]})
    bundle = copy.copy(release.bundle)
    bundle.transform = CompiledTransform.fit(pa.table({"weather": ["rain", "sun"]}), spec)
    with pytest.raises(InputError, match=r"weather.*not made by serving"):
        Release(release.policy, bundle, release.snapshot, release.retriever)


def test_a_line_that_is_no_request_is_refused_by_its_number(folder, tmp_path):
    sent = tmp_path / "requests.jsonl"
    sent.write_text('{"request_id": "a", "user_id": "u"}\n{"request_id": "b"}\n')
    with pytest.raises(InputError, match=r"requests\.jsonl:2: user_id"):
        app(["check", str(folder), "--requests", str(sent)], standalone_mode=False)
