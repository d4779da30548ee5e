"""Exchange tables: a made-up one, bad ones, and the published best reserves of five publishers."""

from pathlib import Path

import numpy as np
import pytest

from adsrank.data.publishers import read_exchange
from auction.errors import InputError

DATA = Path(__file__).parents[3] / ".." / "shared" / "data" / "publisher_auctions"
HEADER = "accept.prob price revenue\n"
MADE_UP = HEADER + "0.00 900.0 1.5\n0.25 400.0 110.0\n0.50 300.0 160.0\n0.75 300.0 160.0\n1.00 20.0 120.0\n"


def write(folder: Path, text: str, name: str = "pub7-adx.txt") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_made_up_table(tmp_path: Path) -> None:
    """The best revenue stands at two rows of one price: the first sells least for it."""
    path = write(tmp_path, MADE_UP)
    table = read_exchange(path)
    assert len(table) == 5
    assert (table.price[table.best], table.revenue[table.best], table.accept[table.best]) == (300, 160, 0.5)
    law = table.highest_bid()
    assert law.survival(np.array([20.0, 300.0, 301.0, 901.0])) == pytest.approx([1.0, 0.75, 0.25, 0.0])
    assert law.monopoly_price() == 300


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "no line"),
        ("price accept revenue\n0 1 1\n", ":1"),
        (HEADER, "0 rows"),
        (HEADER + "0.1 5\n", ":2"),
        (HEADER + "0.1 5 1\n0.2 nan 1\n", ":3"),
        (HEADER + "0.1 5 one\n", ":2"),
        (HEADER + "0.1 5 1\n0.1 4 1\n", "sale_rate"),
        (HEADER + "0.1 5 1\n0.2 6 1\n", "price"),
        (HEADER + "0.1 5 1\n1.2 4 1\n", "sale_rate"),
        (HEADER + "0.1 5 -1\n", "revenue"),
    ],
)
def test_a_bad_table_is_refused_by_file_and_line(tmp_path: Path, text: str, match: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InputError, match=match) as caught:
        read_exchange(path)
    assert str(path) in str(caught.value)


def test_no_file_and_no_text(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.txt"):
        read_exchange(tmp_path / "none.txt")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not text"):
        read_exchange(tmp_path / "binary")


@pytest.mark.skipif(not DATA.exists(), reason="shared/data/publisher_auctions is not beside the checkout")
@pytest.mark.parametrize(
    ("publisher", "published_revenue", "published_sale", "reserve", "revenue"),
    [
        (1, 622, 68, 416.2061, 622.09104),
        (2, 448, 100, 7.7580, 448.39052),
        (3, 1883, 74, 1000.0, 1882.8754),
        (4, 1320, 76, 1200.0, 1320.128),
        (5, 1424, 99, 236.885, 1424.0054),
    ],
)
def test_published_best_reserves_come_out_exactly(
    publisher: int, published_revenue: int, published_sale: int, reserve: float, revenue: float
) -> None:
    """The published whole numbers are the revenue at the best reserve and the share sold, in percent."""
    table = read_exchange(DATA / f"pub{publisher}-adx.txt")
    best = table.best
    assert len(table) == 100
    assert (table.price[best], table.revenue[best]) == (reserve, revenue)
    assert round(table.revenue[best]) == published_revenue
    assert round(100 * table.accept[best]) == published_sale
    # The publisher's curves are ironed, up to the digits they are printed with.
    curve = table.curve()
    assert (curve.ironed() - curve.revenue).max() < 1e-6 * curve.revenue.max()
    # A price posted to the highest bid alone forgets that rivals pay, and is far too high.
    assert table.highest_bid().monopoly_price() > 1.7 * reserve
