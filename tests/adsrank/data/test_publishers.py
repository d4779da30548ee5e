"""The publishers' files: a made-up one of the same format, and the real ones where they are."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from adsrank.data.publishers import Publisher, draw_impressions, read_publisher
from auction.blend import Contracts, ExchangeCurve, dual_prices
from auction.blend.optimum import optimum
from auction.errors import InputError

REAL = Path(__file__).parents[3] / ".." / "shared" / "data" / "publisher_auctions"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="the publishers' files are not beside the checkout")

FILES = {
    "pub1-ads.txt": "advertiser: 4 rho: 0.25\nadvertiser: 9 rho: 0.1\n",
    "pub1-types.txt": (
        "type: 1 prob: 0.6 advertisers: [9] mean: [2.0] cov: [0.25]\n"
        "type: 2 prob: 0.4 advertisers: [4, 9] mean: [3.0, 1.0] cov: [0.04, 0.01, 0.09]\n"
    ),
    "pub1-adx.txt": "accept.prob price revenue\n0.0 90.0 0.1\n0.5 20.0 12.0\n1.0 5.0 11.0\n",
    "pub1-opt.txt": "123.5\n",
}
SAMPLE = "0,7.5\n20.1,2.5\n0,8\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    with gzip.open(tmp_path / "pub1-sample.txt.gz", "wt") as file:
        file.write(SAMPLE)
    return tmp_path


def test_every_file_is_read(folder: Path) -> None:
    made = read_publisher(folder, 1)
    assert made.advertiser.tolist() == [4, 9]
    assert made.share.tolist() == [0.25, 0.1]
    assert [one.contract.tolist() for one in made.types] == [[1], [0, 1]]
    assert made.types[1].covariance.tolist() == [[0.04, 0.01], [0.01, 0.09]]
    assert made.exchange.revenue.tolist() == [0.1, 12.0, 11.0]
    assert made.quality is not None
    assert made.quality.tolist() == [[0, 7.5], [20.1, 2.5], [0, 8]]
    assert made.optimum == 123.5
    limited = read_publisher(folder, 1, impressions=2)
    assert limited.quality is not None
    assert len(limited.quality) == 2


def test_sample_and_optimum_may_be_missing(folder: Path) -> None:
    (folder / "pub1-sample.txt.gz").unlink()
    (folder / "pub1-opt.txt").unlink()
    made = read_publisher(folder, 1)
    assert (made.quality, made.optimum) == (None, None)


def test_drawn_impressions_have_the_published_distribution(folder: Path) -> None:
    made = read_publisher(folder, 1)
    drawn = draw_impressions(made.types, 2, 40_000, np.random.default_rng(0))
    both = drawn[:, 0] > 0
    assert both.mean() == pytest.approx(0.4, abs=0.01)
    log = np.log(drawn[both])
    assert log.mean(axis=0) == pytest.approx([3.0, 1.0], abs=0.01)
    assert np.cov(log.T) == pytest.approx(made.types[1].covariance, abs=0.01)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pub1-ads.txt", "advertiser: 4 rho: 1.5\n"),
        ("pub1-ads.txt", "advertiser: 4 rho: 0.1\nadvertiser: 4 rho: 0.1\n"),
        ("pub1-ads.txt", ""),
        ("pub1-types.txt", "type: 1 prob: 0.6 advertisers: [8] mean: [2.0] cov: [0.25]\n"),
        ("pub1-types.txt", "type: 1 prob: 0.6 advertisers: [4, 9] mean: [2.0, 1.0] cov: [0.25]\n"),
        ("pub1-adx.txt", "p price revenue\n0.5 1 1\n"),
        ("pub1-adx.txt", "accept.prob price revenue\n1.5 1 1\n"),
        ("pub1-adx.txt", "accept.prob price revenue\n"),
        ("pub1-opt.txt", "many\n"),
    ],
)
def test_a_broken_file_is_named(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    with pytest.raises(InputError, match=name.replace(".", r"\.")):
        read_publisher(folder, 1)


@pytest.mark.parametrize("text", ["1,2,3\n", "1,-2\n", "1,x\n", "nan,1\n", ""])
def test_a_broken_sample_is_named(folder: Path, text: str) -> None:
    with gzip.open(folder / "pub1-sample.txt.gz", "wt") as file:
        file.write(text)
    with pytest.raises(InputError, match="pub1-sample"):
        read_publisher(folder, 1)


def test_a_missing_publisher_is_named(folder: Path) -> None:
    with pytest.raises(InputError, match="pub7-ads"):
        read_publisher(folder, 7)


def blended(publisher: Publisher, quality: np.ndarray) -> tuple[float, np.ndarray]:
    """Yield at dual prices over the linear programme's, and what was delivered less what was promised."""
    curve = ExchangeCurve.of_table(publisher.exchange)
    contracts = Contracts.in_full(publisher.share, curve)
    reached = dual_prices(curve, contracts, quality).expected(quality)
    return reached.total / optimum(curve, contracts, quality).total, reached.delivered - publisher.share


@needs_real
def test_the_exchange_alone_earns_what_was_published() -> None:
    for number, sold, revenue in (
        (1, 0.68, 622),
        (2, 1.0, 448),
        (3, 0.74, 1883),
        (4, 0.76, 1320),
        (5, 0.99, 1424),
    ):
        real = read_publisher(REAL, number, impressions=1)
        curve = ExchangeCurve.of_table(real.exchange)
        best = curve.level(0.0)
        assert curve.revenue[best] == pytest.approx(revenue, abs=0.5)
        assert curve.sold[best] == pytest.approx(sold, abs=0.02)


@needs_real
def test_contracts_and_exchange_come_within_two_percent_of_the_optimum() -> None:
    real = read_publisher(REAL, 1, impressions=2_000)
    assert real.quality is not None
    ratio, missed = blended(real, real.quality)
    assert 0.98 <= ratio <= 1 + 1e-9
    assert np.abs(missed).max() <= 1e-3


@pytest.mark.slow
@needs_real
@pytest.mark.parametrize("number", [1, 3, 4])
def test_every_publisher_comes_within_half_a_percent_on_ten_thousand(number: int) -> None:
    real = read_publisher(REAL, number, impressions=10_000)
    assert real.quality is not None
    ratio, missed = blended(real, real.quality)
    assert 0.995 <= ratio <= 1 + 1e-9
    eligible = (real.quality > 0).mean(axis=0) >= real.share
    if number != 3:  # contracts of the third compete for fewer impressions than were promised
        assert np.abs(missed[eligible]).max() <= 1e-3


@pytest.mark.slow
@needs_real
@pytest.mark.parametrize("number", [1, 3, 4])
def test_prices_of_one_half_serve_the_other(number: int) -> None:
    real = read_publisher(REAL, number, impressions=40_000)
    assert real.quality is not None
    curve = ExchangeCurve.of_table(real.exchange)
    contracts = Contracts.in_full(real.share, curve)
    learned, later = real.quality[:20_000], real.quality[20_000:]
    served = dual_prices(curve, contracts, learned).serve(later, np.random.default_rng(0), step=60.0)
    assert np.all(served.delivered <= real.share + 1 / len(later))
    best = dual_prices(curve, contracts, later).expected(later)
    assert served.revenue + served.quality >= 0.95 * (best.revenue + best.quality)
