"""Criteo's display advertising log (the Kaggle challenge of 2014): clicks in the order of their time.

Lines of a label, 13 integers that mean counts and 26 hashed categories, tab-separated, any of them empty.
The full set is Criteo's to give out: search its AI Lab for "Kaggle display advertising challenge dataset".
"""

from pathlib import Path

import pyarrow as pa

from adsrank.data.delimited import read_delimited

NUMBERS = tuple(f"i{k}" for k in range(1, 14))
CATEGORIES = tuple(f"c{k}" for k in range(1, 27))
SCHEMA = {
    "click": pa.int8(),
    **dict.fromkeys(NUMBERS, pa.float64()),
    **dict.fromkeys(CATEGORIES, pa.string()),
}


def read_criteo(*paths: Path) -> pa.Table:
    """`click`, `i1`..`i13` (float64) and `c1`..`c26` (string), the file's order, which is that of time.

    Raises:
        InputError: as `read_delimited`.
    """
    return read_delimited(paths, SCHEMA, header=False, delimiter="\t")
