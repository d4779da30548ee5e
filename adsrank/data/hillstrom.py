"""Kevin Hillstrom's e-mail campaign: visit, then purchase, of customers drawn into three arms.

"MineThatData E-Mail Analytics and Data Mining Challenge" (2008); the file is on his weblog of that name.
"""

from pathlib import Path

import pyarrow as pa

from adsrank.data.delimited import read_delimited

SCHEMA = {
    "recency": pa.int64(),
    "history_segment": pa.string(),
    "history": pa.float64(),
    "mens": pa.int64(),
    "womens": pa.int64(),
    "zip_code": pa.string(),
    "newbie": pa.int64(),
    "channel": pa.string(),
    "segment": pa.string(),
    "visit": pa.int8(),
    "conversion": pa.int8(),
    "spend": pa.float64(),
}


def read_hillstrom(*paths: Path) -> pa.Table:
    """A row a customer: what was known before, the arm (`segment`), `visit`, `conversion`, `spend`.

    There is no time in it: the rows stand in no order.

    Raises:
        InputError: as `read_delimited`.
    """
    return read_delimited(paths, SCHEMA)
