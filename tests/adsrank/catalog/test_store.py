import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from adsrank.catalog.catalog import Catalog
from adsrank.catalog.entities import Ad, Campaign, Status
from adsrank.catalog.problem import CatalogFileError
from adsrank.catalog.relations import Known
from adsrank.catalog.store import Store, StoreError
from adsrank.errors import InputError
from tests.adsrank.catalog.rows import account, ad, ad_group, campaign, catalog_of, entity

NOW = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)


def test_what_was_applied_is_loaded_again(store: Store, small: Catalog) -> None:
    assert store.version() == 0
    assert store.apply(small, NOW) == 1
    loaded = store.load()
    assert loaded.sequence == 1
    assert (loaded.accounts, loaded.campaigns, loaded.ad_groups) == (
        small.accounts,
        small.campaigns,
        small.ad_groups,
    )
    assert loaded.ads[0] == small.ads[0]
    assert loaded.ads[1].created_at == NOW


def test_the_event_that_a_bid_is_for_is_stored(store: Store, small: Catalog) -> None:
    store.apply(small, NOW)
    for event in ("CONVERSION", None):
        group = entity(ad_group(bid_event=event))
        store.apply([group])
        assert store.load().ad_groups == (group,)


def test_a_database_of_an_earlier_version_gets_the_columns_it_lacks(
    open_store: Callable[[], Store], small: Catalog
) -> None:
    first = open_store()
    first.apply(small, NOW)
    with first._engine.connect().execution_options(writes=True) as connection, connection.begin():
        connection.execute(text(f"ALTER TABLE {first._name('ad_group')} DROP COLUMN bid_event"))
    with pytest.raises(StoreError):
        first.load()
    second = open_store()
    assert second.load().ad_groups == small.ad_groups
    group = entity(ad_group(bid_event="CONVERSION"))
    second.apply([group])
    assert open_store().load().ad_groups == (group,)


def test_an_update_changes_what_it_names_and_counts_a_version(store: Store, small: Catalog) -> None:
    store.apply(small, NOW)
    changed = entity(campaign(status="PAUSED", daily_budget_micros=7))
    assert store.apply([changed]) == 2
    loaded = store.load()
    assert loaded.campaigns == (changed,)
    assert loaded.ads[0] == small.ads[0]


def test_the_creation_time_of_an_ad_stays(store: Store, small: Catalog) -> None:
    store.apply(small, NOW)
    later = datetime(2027, 1, 1, tzinfo=UTC)
    store.apply([entity(ad(1001, name="renamed"))], later)
    (renamed,) = [one for one in store.load().ads if one.id == 1001]
    assert (renamed.name, renamed.created_at) == ("renamed", NOW)


def test_a_refused_apply_changes_nothing(store: Store, small: Catalog) -> None:
    store.apply(small, NOW)
    before = store.load()
    with pytest.raises(CatalogFileError) as caught:
        store.apply(
            [entity(account(2)), entity(ad_group(101, campaign_id=99)), entity(ad(1000, ad_group_id=101))]
        )
    assert [(p.kind, p.id, p.field) for p in caught.value.problems] == [
        ("ad_group", 101, "campaign_id"),
        ("ad", 1000, "ad_group_id"),
    ]
    assert store.load() == before


def test_a_wrong_dimension_or_currency_is_refused_against_what_is_stored(
    store: Store, small: Catalog
) -> None:
    store.apply(small)
    with pytest.raises(CatalogFileError, match="have 2 numbers"):
        store.apply([entity(ad(1002, embedding=[1, 2, 3]))])
    with pytest.raises(CatalogFileError, match="one currency"):
        store.apply([entity(account(2, currency="JPY"))])


def test_known_says_what_a_file_is_checked_against(store: Store, small: Catalog) -> None:
    store.apply(small)
    assert store.known() == Known.of(small)


def test_a_batch_larger_than_a_chunk_is_one_version(store: Store) -> None:
    ads = [ad(id) for id in range(1, 2502)]
    assert store.apply(catalog_of(account(), campaign(), ad_group(), *ads)) == 1
    assert len(store.load().ads) == 2501


def test_applying_in_parallel_gives_every_apply_a_version_of_its_own(
    open_store: Callable[[], Store], small: Catalog
) -> None:
    stores = [open_store() for _ in range(3)]
    stores[0].apply(small)
    versions: list[int] = []

    def work(store: Store, id: int) -> None:
        for step in range(5):
            versions.append(store.apply([entity(campaign(id, name=f"step {step}"))]))

    threads = [threading.Thread(target=work, args=(store, 20 + i)) for i, store in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(versions) == list(range(2, 17))
    assert {c.name for c in stores[0].load().campaigns} == {"campaign 10", "step 4"}


def test_an_open_reader_sees_one_version_only(open_store: Callable[[], Store], small: Catalog) -> None:
    writer, reader = open_store(), open_store()
    writer.apply(small)
    seen: list[Catalog] = []

    def read() -> None:
        seen.extend(reader.load() for _ in range(20))

    thread = threading.Thread(target=read)
    thread.start()
    for step in range(20):
        status = "PAUSED" if step % 2 else "ACTIVE"
        writer.apply([entity(campaign(status=status)), entity(ad(status=status))])
    thread.join()
    for catalog in seen:
        if catalog.sequence > 1:
            assert catalog.campaigns[0].status == catalog.ads[0].status
            assert (catalog.ads[0].status is Status.PAUSED) == (catalog.sequence % 2 == 1)


def test_unicode_and_extreme_numbers_survive(store: Store) -> None:
    catalog = catalog_of(
        account(2**63 - 1, name="Ünïcode 🛋️"),
        campaign(2**62, account_id=2**63 - 1, daily_budget_micros=2**53, lifetime_budget_micros=1),
    )
    store.apply(catalog)
    loaded = store.load()
    assert (loaded.accounts, loaded.campaigns) == (catalog.accounts, catalog.campaigns)


def test_a_row_that_another_hand_broke_is_named(tmp_path: Path, small: Catalog) -> None:
    with Store(f"sqlite:///{tmp_path}/c.db") as store:
        store.apply(small)
        with sqlite3.connect(tmp_path / "c.db") as raw:
            raw.execute("UPDATE campaign SET daily_budget_micros = -5")
        with pytest.raises(CatalogFileError, match="campaign 10: daily_budget_micros: -5"):
            store.load()
        with sqlite3.connect(tmp_path / "c.db") as raw:
            raw.execute("UPDATE campaign SET daily_budget_micros = 5")
            raw.execute("UPDATE ad SET embedding = x'0000C07F0000803F'")
        with pytest.raises(CatalogFileError, match=r"embedding\[0\]: nan"):
            store.load()
        with sqlite3.connect(tmp_path / "c.db") as raw:
            raw.execute("UPDATE ad SET embedding = x'00'")
        with pytest.raises(InputError, match="ad 1000"):
            store.load()


def test_a_database_that_does_not_answer_is_a_typed_error_without_the_password() -> None:
    with pytest.raises(StoreError) as caught:
        Store("postgresql://ann:secret@127.0.0.1:1/none")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["mysql://a", "nonsense", "sqlite+aiosqlite://", ""])
def test_another_kind_of_database_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="sqlite:///path or postgresql"):
        Store(url)


def test_a_schema_is_checked(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="schema"):
        Store("postgresql://postgres@127.0.0.1:1/x", schema='x"; DROP TABLE ad; --')
    with pytest.raises(InputError, match="SQLite has none"):
        Store(f"sqlite:///{tmp_path}/c.db", schema="x")


def test_a_loaded_campaign_is_typed(store: Store, small: Catalog) -> None:
    store.apply(small)
    loaded = store.load()
    assert isinstance(loaded.campaigns[0], Campaign)
    assert isinstance(loaded.ads[0], Ad)
    assert loaded.ads[0].embedding == small.ads[0].embedding
