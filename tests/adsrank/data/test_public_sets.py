"""The loaders of public data, on made-up files of the same schema; and on the real ones where they lie."""

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from adsrank.data.avazu import SCHEMA as AVAZU
from adsrank.data.avazu import hour_of_day, read_avazu
from adsrank.data.criteo import read_criteo
from adsrank.data.hillstrom import SCHEMA as HILLSTROM
from adsrank.data.hillstrom import read_hillstrom
from adsrank.data.ipinyou import read_ipinyou
from adsrank.data.talkingdata import read_talkingdata
from adsrank.data.taobao import SCHEMA as TAOBAO
from adsrank.data.taobao import read_taobao
from adsrank.errors import InputError

SHARED = Path(__file__).parents[3] / ".." / "shared" / "data"


def write(path: Path, *lines: str) -> Path:
    text = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def criteo_line(click: int, number: str, word: str) -> str:
    return "\t".join([str(click), number, *["3"] * 12, word, *["ab12"] * 25])


def test_criteo_keeps_order_and_tells_missing_from_zero(tmp_path):
    first = write(tmp_path / "a.tsv.gz", criteo_line(1, "", ""), criteo_line(0, "0", "ff00"))
    second = write(tmp_path / "b.tsv", criteo_line(1, "-2", '"quote'))
    table = read_criteo(first, second)
    assert table["click"].to_pylist() == [1, 0, 1]
    assert table["i1"].to_pylist() == [None, 0.0, -2.0]
    assert table["c1"].to_pylist() == [None, "ff00", '"quote']
    assert table.num_columns == 40


def test_avazu_reads_a_headless_rest_and_drops_the_rows_id(tmp_path):
    values = ["id7", "1", "14102113", *["x"] * 21]
    head = write(tmp_path / "a.csv", ",".join(AVAZU), ",".join(values))
    rest = write(tmp_path / "b.csv.gz", ",".join(["id8", "0", *values[2:]]))
    table = read_avazu(head, rest)
    assert table["click"].to_pylist() == [1, 0]
    assert "id" not in table.column_names
    assert hour_of_day(table).to_pylist() == [13, 13]


def taobao_line(time: int, click: int, history: str) -> str:
    row = dict.fromkeys(TAOBAO, "5")
    row |= {"time_stamp": str(time), "nonclk": str(1 - click), "click": str(click), "brand": "NULL"}
    row |= {"tag_category_list": history, "tag_brand_list": ""}
    return ",".join(row.values())


def test_taobao_is_put_in_the_order_of_time_and_its_histories_become_lists(tmp_path):
    lines = [taobao_line(20, 0, "4377|4281|9"), taobao_line(10, 1, ""), taobao_line(15, 0, "7")]
    table = read_taobao(write(tmp_path / "t.csv", ",".join(TAOBAO), *lines))
    assert table["time_stamp"].to_pylist() == [10, 15, 20]
    assert table["tag_category_list"].to_pylist() == [[], [7], [4377, 4281, 9]]
    assert table["tag_brand_list"].to_pylist() == [[], [], []]
    assert table["brand"].null_count == 3
    assert "nonclk" not in table.column_names


def test_hillstrom_and_talkingdata_have_their_types(tmp_path):
    line = "10,2) $100 - $200,142.44,1,0,Surburban,0,Phone,Womens E-Mail,1,0,0.0"
    table = read_hillstrom(write(tmp_path / "h.csv", ",".join(HILLSTROM), line))
    assert table.slice(0, 1).to_pylist()[0]["history_segment"] == "2) $100 - $200"
    assert table["visit"].type == pa.int8()
    header = "..ip,app,device,os,channel,click_time,attributed_time,is_attributed"
    late, early = "1,2,3,4,5,2017-11-07 09:30:38,,0", "1,2,3,4,5,2017-11-06 09:30:38,2017-11-06 10:00:00,1"
    table = read_talkingdata(write(tmp_path / "t.csv", header, late, early))
    assert table["is_attributed"].to_pylist() == [1, 0]
    assert table["attributed_time"].null_count == 1


def test_a_first_line_that_names_other_places_or_none_is_refused(tmp_path):
    """Columns are read by place: a swap would be read without a word, and a headless file lose a row."""
    line = "10,2) $100 - $200,142.44,1,0,Surburban,0,Phone,Womens E-Mail,1,0,0.0"
    names = list(HILLSTROM)
    swapped = [*names[:9], names[10], names[9], names[11]]
    with pytest.raises(InputError, match=r"h\.csv:1: 'conversion'.*'visit' is expected"):
        read_hillstrom(write(tmp_path / "h.csv", ",".join(swapped), line))
    with pytest.raises(InputError, match="a first line of names"):
        read_hillstrom(write(tmp_path / "h.csv", line, line))


def test_a_history_that_is_not_of_ids_is_named(tmp_path):
    with pytest.raises(InputError, match=r"tag_category_list.*abc"):
        read_taobao(write(tmp_path / "t.csv", ",".join(TAOBAO), taobao_line(20, 0, "4377|abc")))


def test_ipinyou_skips_the_lines_that_are_no_auction(tmp_path):
    log = read_ipinyou(write(tmp_path / "c.txt.gz", "560870 1000", "1", "0\t51\t0.25", "1 70 0.002"))
    assert log.click.tolist() == [0.0, 1.0]
    assert log.price.tolist() == [51, 70]
    assert log.theta.tolist() == [0.25, 0.002]


@pytest.mark.parametrize(
    "line", ["0 51 nan", "0 51 1.5", "2 51 0.1", "0 5.5 0.1", "yes 5 0.1", "0 5 \xe9"], ids=repr
)
def test_an_ipinyou_line_that_is_wrong_is_named(tmp_path, line):
    with pytest.raises(InputError, match=r"c\.txt\.gz: line 2"):
        read_ipinyou(write(tmp_path / "c.txt.gz", "0 51 0.1", line))


def test_files_that_are_not_what_they_say_are_refused(tmp_path):
    cut = tmp_path / "cut.txt.gz"
    cut.write_bytes(gzip.compress(b"0 51 0.1\n" * 1000)[:-20])
    empty = write(tmp_path / "empty.txt.gz")
    for path in (cut, empty, tmp_path / "absent.gz"):
        with pytest.raises(InputError):
            read_ipinyou(path)
    for lines in (["1\t2"], [criteo_line(1, "many", "ab")], [criteo_line(1, "2", "ab") + "\tmore"]):
        with pytest.raises(InputError, match=r"bad\.tsv"):
            read_criteo(write(tmp_path / "bad.tsv", *lines))
    with pytest.raises(InputError, match="no such file"):
        read_hillstrom(tmp_path / "absent.csv")


@pytest.mark.skipif(not SHARED.is_dir(), reason="the public data sets are not beside the checkout")
def test_the_real_files_have_the_rows_and_the_rates_that_their_page_says():
    ctr = SHARED / "ctr"
    criteo = read_criteo(ctr / "criteo_train_8000.tsv.gz", ctr / "criteo_test_2000.tsv.gz")
    avazu = read_avazu(ctr / "avazu_train_9000.csv.gz", ctr / "avazu_test_1000.csv.gz")
    taobao = read_taobao(ctr / "taobao_ads_9999.csv.gz")
    assert (len(criteo), len(avazu), len(taobao)) == (10_000, 9_999, 9_999)
    installs = read_talkingdata(SHARED / "talkingdata" / "train_sample.csv.gz")
    assert (len(installs), int(installs["is_attributed"].to_numpy().sum())) == (100_000, 227)
    mail = read_hillstrom(SHARED / "hillstrom" / "hillstrom.csv.gz").to_pandas()
    visits = mail.groupby("segment")["visit"].mean().round(4).to_dict()
    assert visits == {"Mens E-Mail": 0.1828, "No E-Mail": 0.1062, "Womens E-Mail": 0.1514}
    log = read_ipinyou(SHARED / "ipinyou" / "2997.test.theta.txt.gz")
    assert (len(log.click), int(log.click.sum())) == (156_063, 530)
    assert np.all((log.theta >= 0.0) & (log.theta <= 1.0))
