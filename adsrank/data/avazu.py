"""Avazu's mobile advertising log (the Kaggle challenge of 2014).

Hours are in order, the rows within an hour by their id, that is, at random. The full set is on Kaggle:
"avazu-ctr-prediction".
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from adsrank.data.delimited import read_delimited

CATEGORIES = (
    "c1",
    "banner_pos",
    "site_id",
    "site_domain",
    "site_category",
    "app_id",
    "app_domain",
    "app_category",
    "device_id",
    "device_ip",
    "device_model",
    "device_type",
    "device_conn_type",
    *(f"c{k}" for k in range(14, 22)),
)
SCHEMA = {
    "id": pa.string(),
    "click": pa.int8(),
    "hour": pa.string(),
    **dict.fromkeys(CATEGORIES, pa.string()),
}


def read_avazu(*paths: Path) -> pa.Table:
    """`click`, `hour` (string YYMMDDHH, UTC) and 21 categories as strings, in the file's order.

    The first file has a header line; a later part of it (as `tail` makes them) may have none. The row's id
    is left out: it says nothing but the row.

    Raises:
        InputError: as `read_delimited`.
    """
    keep = tuple(name for name in SCHEMA if name != "id")
    parts = [read_delimited(path, SCHEMA, header=k == 0, keep=keep) for k, path in enumerate(paths)]
    return pa.concat_tables(parts)


def hour_of_day(table: pa.Table) -> pa.Array:
    """int64 [n], 0 to 23, of the column `hour`."""
    return pc.cast(pc.utf8_slice_codeunits(table["hour"].combine_chunks(), 6, 8), pa.int64())
