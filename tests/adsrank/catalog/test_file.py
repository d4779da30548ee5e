import json
from pathlib import Path

import pytest

from adsrank.catalog import file as file_module
from adsrank.catalog.file import read_catalog
from adsrank.catalog.problem import CatalogFileError
from adsrank.catalog.relations import Known
from adsrank.errors import InputError
from tests.adsrank.catalog.rows import Row, account, ad, ad_group, campaign, catalog_of


def write(path: Path, *rows: Row | str) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def refusals(path: Path, known: Known | None = None) -> list[tuple[int | None, str]]:
    with pytest.raises(CatalogFileError) as caught:
        read_catalog(path, known)
    return [(problem.row, problem.field) for problem in caught.value.problems]


def test_a_file_is_read_whatever_the_order_of_its_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "c.jsonl", ad(), "", ad_group(), campaign(), account())
    catalog = read_catalog(path)
    assert catalog == catalog_of(account(), campaign(), ad_group(), ad())
    assert [entity.id for entity in catalog] == [1, 10, 100, 1000]


def test_every_problem_is_reported_with_its_row(tmp_path: Path) -> None:
    path = write(
        tmp_path / "c.jsonl",
        account(),
        campaign(daily_budget_micros=0, colour="red"),
        '{"kind": "ad", "id": ',
        ad_group(bid_micros=-1),
        '{"kind": "ad", "id": 5, "name": "n", "ad_group_id": 100, "destination_url": "https://a.example", '
        '"interests": [1], "embedding": [1, NaN], "embedding_space": "s"}',
        ad(),
    )
    assert refusals(path) == [
        (2, "daily_budget_micros"),
        (2, "colour"),
        (3, "row"),
        (4, "bid_micros"),
        (5, "embedding[1]"),
    ]
    with pytest.raises(CatalogFileError, match=r"row 4: ad_group 100: bid_micros: -1 is refused; .*greater"):
        read_catalog(path)


def test_a_duplicate_id_is_refused_where_it_stands_again(tmp_path: Path) -> None:
    path = write(tmp_path / "c.jsonl", account(), account(name="again"), campaign(), campaign(id=1))
    with pytest.raises(CatalogFileError) as caught:
        read_catalog(path)
    (problem,) = caught.value.problems
    assert (problem.row, problem.kind, problem.field) == (2, "account", "id")
    assert "first in row 1" in problem.fix


def test_a_missing_parent_is_refused_unless_it_is_known(tmp_path: Path) -> None:
    path = write(tmp_path / "c.jsonl", ad_group(), ad(), ad(1001, ad_group_id=999))
    assert refusals(path) == [(1, "campaign_id"), (3, "ad_group_id")]
    known = Known.of(catalog_of(account(), campaign()))
    assert refusals(path, known) == [(3, "ad_group_id")]


def test_the_children_of_a_refused_row_are_not_blamed(tmp_path: Path) -> None:
    path = write(tmp_path / "c.jsonl", account(), campaign(daily_budget_micros=0), ad_group(), ad())
    assert refusals(path) == [(2, "daily_budget_micros")]


def test_a_wrong_dimension_is_refused_within_a_space_and_against_what_is_known(tmp_path: Path) -> None:
    rows = [account(), campaign(), ad_group(), ad(embedding=[1, 2, 3])]
    other = ad(1002, embedding=[1.0], embedding_space="other")
    path = write(tmp_path / "c.jsonl", *rows, ad(1001, embedding=[1, 2]), other)
    assert refusals(path) == [(5, "embedding")]
    known = Known.of(catalog_of(account(), campaign(), ad_group(), ad(1005)))
    assert refusals(write(tmp_path / "d.jsonl", *rows), known) == [(4, "embedding")]


def test_a_second_currency_is_refused(tmp_path: Path) -> None:
    assert refusals(write(tmp_path / "c.jsonl", account(), account(2, currency="EUR"))) == [(2, "currency")]


def test_an_ad_group_cannot_move_to_another_campaign(tmp_path: Path) -> None:
    known = Known.of(catalog_of(account(), campaign(), campaign(11), ad_group()))
    assert refusals(write(tmp_path / "c.jsonl", ad_group(campaign_id=11)), known) == [(1, "campaign_id")]


def test_at_most_a_hundred_problems_are_shown_and_all_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "c.jsonl", *[account(id, currency="x") for id in range(1, 151)])
    with pytest.raises(CatalogFileError, match="and 50 more") as caught:
        read_catalog(path)
    assert (len(caught.value.problems), caught.value.total) == (100, 150)


def test_a_yaml_list_is_read_with_line_numbers(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(
        "# two of them\n- kind: account\n  id: 1\n  name: Ann\n\n"
        "- {kind: campaign, id: 10, account_id: 1, name: c, objective: CONVERSION, daily_budget_micros: 0}\n"
    )
    assert refusals(path) == [(6, "daily_budget_micros")]
    path.write_text(path.read_text().replace("micros: 0", "micros: 50, start_time: 2026-03-01T00:00:00Z"))
    assert len(read_catalog(path)) == 2


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x]\nb: *a\n",
        "- &a {kind: account, id: 1, name: x}\n- *a\n",
        "- !!python/object/apply:os.system [true]\n",
        "- [unclosed\n",
        "just text",
        "- 2026-99-99\n",
        "[" * 5000,
        "",
    ],
    ids=["mapping", "alias", "object", "unclosed", "text", "date", "deep", "empty"],
)
def test_hostile_yaml_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.yml"
    path.write_text(text)
    with pytest.raises(InputError):
        read_catalog(path)


@pytest.mark.parametrize(
    "line",
    [
        "[" * 100_000,
        '{"a":' * 5000,
        '{"kind": "ad", "x": "\\ud800"}',
        "\xff\xfe",
        "null",
        "1e999",
        '{"kind": 1}',
    ],
)
def test_hostile_lines_are_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "c.jsonl"
    path.write_bytes(line.encode("latin-1") + b"\n")
    assert {row for row, _ in refusals(path)} == {1}


def test_a_line_that_is_too_long_ends_the_reading(tmp_path: Path) -> None:
    path = write(tmp_path / "c.jsonl", account(), '"' + "x" * file_module.MAX_LINE_BYTES + '"', account(2))
    assert refusals(path) == [(2, "row")]


def test_a_file_that_is_too_large_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "c.jsonl", account())
    monkeypatch.setattr(file_module, "MAX_FILE_BYTES", 10)
    with pytest.raises(InputError, match="at most 10 bytes"):
        read_catalog(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.jsonl", tmp_path):
        with pytest.raises(InputError, match="readable catalog file"):
            read_catalog(path)


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(account()).encode() + b"\r\n")
    assert len(read_catalog(path)) == 1


def test_an_empty_file_is_an_empty_catalog(tmp_path: Path) -> None:
    assert len(read_catalog(write(tmp_path / "c.jsonl"))) == 0


def test_twenty_thousand_ads_are_read(tmp_path: Path) -> None:
    vector = [round(0.01 * i, 4) for i in range(1, 33)]
    ads = (ad(id, embedding=vector) for id in range(1, 20_001))
    path = write(tmp_path / "c.jsonl", account(), campaign(), ad_group(), *ads)

    assert len(read_catalog(path).ads) == 20_000
