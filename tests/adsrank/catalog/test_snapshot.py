import json
import pickle
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from adsrank.catalog.archive import FILES, MANIFEST, load_snapshot, save_snapshot
from adsrank.catalog.catalog import Catalog
from adsrank.catalog.freezer import NEVER, freeze_catalog
from adsrank.catalog.snapshot import DIMENSIONS, Snapshot
from adsrank.errors import BundleError, InputError, SpaceMismatch
from auction.billable import Billable, Grade
from tests.adsrank.catalog.rows import account, ad, ad_group, campaign, catalog_of


def seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.fixture
def wide() -> Snapshot:
    return freeze_catalog(
        catalog_of(
            account(time_zone="Asia/Tokyo"),
            account(2),
            campaign(10, start_time="2026-01-01", end_time="2026-06-01", pacing="ACCELERATED"),
            campaign(11, account_id=2, status="PAUSED", lifetime_budget_micros=9, daily_budget_micros=None),
            campaign(12, status="ARCHIVED"),
            ad_group(100, start_time="2026-02-01", end_time="2026-07-01", targeting={"countries": ["DE"]}),
            ad_group(101, 10, billable_event="IMPRESSION", bid_micros=3_000_000, status="PAUSED"),
            ad_group(102, 11, bid_event="CONVERSION"),
            ad_group(103, 12),
            ad_group(104, 10, status="ARCHIVED"),
            ad(1000, created_at="2026-01-05", max_adjacent_risk="LOW"),
            ad(1001, 101, embedding=None, embedding_space=None, interests=[8, 7]),
            ad(1002, 102, policy_labels=["under_review"], format="video"),
            ad(1003, 103),
            ad(1004, 104),
            ad(1005, 100, status="ARCHIVED"),
            ad(1006, 100, status="PAUSED"),
        )
    )


def test_ads_archived_at_any_level_are_left_out(wide: Snapshot) -> None:
    assert wide.ad_id.tolist() == [1000, 1001, 1002, 1006]
    assert wide.campaigns.campaign_id.tolist() == [10, 11]


def test_columns_say_what_the_entities_said(wide: Snapshot) -> None:
    assert wide.advertiser_id.tolist() == [1, 1, 2, 1]
    assert wide.campaign_id.tolist() == [10, 10, 11, 10]
    assert wide.ad_group_id.tolist() == [100, 101, 102, 100]
    assert wide.billable.tolist() == [Billable.CLICK, Billable.IMPRESSION, Billable.CLICK, Billable.CLICK]
    assert wide.goal.tolist() == [
        Billable.CLICK,
        Billable.IMPRESSION,
        Billable.CONVERSION,
        Billable.CLICK,
    ]
    assert wide.bid_micros.tolist() == [250_000, 3_000, 250_000, 250_000]
    assert wide.tolerance.tolist() == [Grade.LOW, Grade.MEDIUM, Grade.MEDIUM, Grade.MEDIUM]
    assert wide.interest.tolist() == [7, 8, 7, 7]
    assert wide.interests[1].tolist() == [8, 7]
    assert wide.format.tolist() == ["image", "image", "video", "image"]
    assert wide.objective.tolist() == ["CONVERSION"] * 4
    assert wide.embedding[0].tolist() == pytest.approx([0.6, 0.8])
    assert wide.embedded.tolist() == [True, False, True, True]
    assert not wide.embedding[1].any()


def test_status_holds_at_every_level_and_policy_stands_apart(wide: Snapshot) -> None:
    assert wide.status_active.tolist() == [True, False, False, False]
    assert wide.policy_clear.tolist() == [True, True, False, True]
    assert wide.active.tolist() == [True, False, False, False]


def test_the_schedule_is_what_campaign_and_ad_group_both_allow(wide: Snapshot) -> None:
    assert wide.starts_at.tolist() == [seconds("2026-02-01"), seconds("2026-01-01"), 0, seconds("2026-02-01")]
    assert wide.ends_at.tolist() == [seconds("2026-06-01")] * 2 + [NEVER, seconds("2026-06-01")]


def test_an_ad_without_a_creation_time_is_as_old_as_its_campaign(wide: Snapshot) -> None:
    assert wide.created_at.tolist() == [
        seconds("2026-01-05"),
        seconds("2026-01-01"),
        0,
        seconds("2026-01-01"),
    ]


def test_campaign_columns_carry_budgets_zone_and_caps(small: Catalog, wide: Snapshot) -> None:
    table = wide.campaigns
    assert table.daily_limit_micros.tolist() == [5_000_000, 0]
    assert table.lifetime_limit_micros.tolist() == [0, 9]
    assert table.time_zone.tolist() == ["Asia/Tokyo", "UTC"]
    assert table.accelerated.tolist() == [True, False]
    assert table.active.tolist() == [True, False]
    caps = freeze_catalog(small).frequency_caps(np.asarray([9, 10, 11, 10]))
    assert caps.max_frequency.tolist() == [0, 3, 0, 3]
    assert caps.interval_days.tolist() == [0, 7, 0, 7]
    assert caps.event[1] == Billable.IMPRESSION


def test_rows_are_found_by_id_and_strangers_are_not(wide: Snapshot) -> None:
    assert [wide.row_of(id) for id in (1000, 1006, 999, 1003, 10**30, -(10**30))] == [0, 3, -1, -1, -1, -1]
    assert wide.rows_of([1002, 5, 10**40, 1000, -3]).tolist() == [2, 0]
    assert [wide.campaigns.row_of(id) for id in (10, 11, 12)] == [0, 1, -1]


def test_equal_contents_have_equal_versions_and_a_changed_bid_does_not(small: Catalog) -> None:
    one, again = freeze_catalog(small), freeze_catalog(small)
    assert one.version == again.version
    paused = freeze_catalog(catalog_of(account(), campaign(), ad_group(bid_micros=250_001), ad()))
    plain = freeze_catalog(catalog_of(account(), campaign(), ad_group(), ad()))
    assert paused.version != plain.version
    assert paused.vectors_id == plain.vectors_id
    later = freeze_catalog(replace(small, sequence=4))
    assert later.version.split("-")[0] == "4"
    assert later.version.split("-")[1] == one.version.split("-")[1]


def test_nothing_in_a_snapshot_can_be_written(wide: Snapshot) -> None:
    arrays = [array for _, array in wide.columns()] + [
        wide.interests.values,
        wide.campaigns.daily_limit_micros,
    ]
    for array in arrays:
        with pytest.raises(ValueError, match="read-only"):
            array[...] = array


def test_two_spaces_are_refused_unless_one_is_asked_for() -> None:
    catalog = catalog_of(
        account(), campaign(), ad_group(), ad(), ad(1001, embedding=[1, 0, 0], embedding_space="other-v2")
    )
    with pytest.raises(SpaceMismatch, match=r"other-v2, test-v1"):
        freeze_catalog(catalog)
    chosen = freeze_catalog(catalog, "other-v2")
    assert chosen.embedded.tolist() == [False, True]
    assert chosen.dimension == 3


def test_an_empty_catalog_freezes() -> None:
    empty = freeze_catalog(Catalog())
    assert (len(empty), empty.dimension, empty.embedding_space) == (0, 0, None)


def test_a_missing_parent_is_refused() -> None:
    with pytest.raises(InputError, match="ad_group_id"):
        freeze_catalog(catalog_of(account(), campaign(), ad()))
    with pytest.raises(InputError, match="account_id"):
        freeze_catalog(catalog_of(campaign()))


def test_other_vectors_can_be_put_in_and_bad_ones_cannot(wide: Snapshot) -> None:
    renewed = wide.with_embedding("tower-v3", np.eye(4, 8) * 5)
    assert renewed.embedding_space == "tower-v3"
    assert np.allclose(np.linalg.norm(renewed.embedding, axis=1), 1)
    assert renewed.version != wide.version
    for bad in (np.full((4, 8), np.nan), np.zeros((4, 8)), np.eye(3), np.ones(4)):
        with pytest.raises(InputError, match="embedding"):
            wide.with_embedding("tower-v3", bad)


def same(one: Snapshot, other: Snapshot) -> bool:
    for name, array in one.columns():
        assert np.array_equal(array, getattr(other, name)), name
        assert array.dtype == getattr(other, name).dtype, name
    for name in DIMENSIONS:
        assert np.array_equal(one.targeting[name].values, other.targeting[name].values)
        assert np.array_equal(one.targeting[name].offsets, other.targeting[name].offsets)
    for column in fields(one.campaigns):
        assert np.array_equal(getattr(one.campaigns, column.name), getattr(other.campaigns, column.name))
    return one.version == other.version and one.vectors_id == other.vectors_id


def test_a_saved_snapshot_loads_as_it_was(tmp_path: Path, wide: Snapshot) -> None:
    save_snapshot(wide, tmp_path / "snapshot")
    assert same(load_snapshot(tmp_path / "snapshot"), wide)
    empty = freeze_catalog(Catalog())
    save_snapshot(empty, tmp_path / "snapshot")
    assert same(load_snapshot(tmp_path / "snapshot"), empty)
    assert [path.name for path in tmp_path.iterdir()] == ["snapshot"]


def test_saving_does_not_replace_a_folder_of_something_else(tmp_path: Path, wide: Snapshot) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_text("meow")
    with pytest.raises(InputError, match="holds a snapshot"):
        save_snapshot(wide, tmp_path / "photos")
    assert (tmp_path / "photos" / "cat.jpg").read_text() == "meow"


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
@pytest.mark.parametrize("harm", ["missing", "cut", "altered", "empty"])
def test_a_harmed_file_is_refused(tmp_path: Path, wide: Snapshot, name: str, harm: str) -> None:
    folder = tmp_path / "snapshot"
    save_snapshot(wide, folder)
    path = folder / name
    data = path.read_bytes()
    if harm == "missing":
        path.unlink()
    else:
        middle = len(data) // 2
        changed = data[:middle] + bytes([data[middle] ^ 0x55]) + data[middle + 1 :]
        path.write_bytes({"cut": data[:-7], "altered": changed, "empty": b""}[harm])
    with pytest.raises(BundleError):
        load_snapshot(folder)


def test_a_pickle_in_place_of_the_vectors_is_never_run(tmp_path: Path, wide: Snapshot) -> None:
    import hashlib

    folder = tmp_path / "snapshot"
    save_snapshot(wide, folder)
    data = pickle.dumps({"anything": 1})
    (folder / "embedding.npy").write_bytes(data)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"]["embedding.npy"] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="not a snapshot"):
        load_snapshot(folder)


def test_a_manifest_of_other_contents_is_refused(tmp_path: Path, wide: Snapshot) -> None:
    folder = tmp_path / "snapshot"
    save_snapshot(wide, folder)
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(manifest | {"embedding_space": "other"}))
    with pytest.raises(BundleError, match="manifest says"):
        load_snapshot(folder)
    (folder / MANIFEST).write_text("[" * 50_000)
    with pytest.raises(BundleError):
        load_snapshot(folder)
