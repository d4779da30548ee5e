"""iPinYou's bidding log with the click predictions that were logged beside it (Zhang et al. 2014).

The log is made by the scripts `make-ipinyou-data` from the competition's data, the predictions after Cai
et al. (2017).
"""

import gzip
import math
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from auction.errors import InputError

MAX_FILE_BYTES = 2**30


@dataclass(frozen=True, slots=True)
class BidLog:
    """Columns [n] of auctions in the order of their time.

    click: 0 or 1; price: the second price in RMB / 1000 a thousand impressions; theta: the predicted
    click probability that was logged.
    """

    click: npt.NDArray[np.float64]
    price: npt.NDArray[np.int64]
    theta: npt.NDArray[np.float64]


def read_ipinyou(path: Path) -> BidLog:
    """Lines `click price theta`; lines of other than three fields (sizes, numbers of episodes) are no rows.

    Raises:
        InputError: no such file, not gzip, or a line whose fields are not such numbers; names the line.
    """
    if not path.is_file() or path.stat().st_size > MAX_FILE_BYTES:
        raise InputError(str(path), "no such file", f"give a log of at most {MAX_FILE_BYTES} bytes")
    rows: list[tuple[float, int, float]] = []
    try:
        with gzip.open(path, "rt", encoding="ascii", errors="replace") as lines:
            for number, line in enumerate(lines, 1):
                fields = line.split()
                if len(fields) == 3:
                    rows.append(_row(fields, f"{path.name}: line {number}"))
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(path.name, str(error)[:80], "give a gzip file that is whole") from None
    if not rows:
        raise InputError(path.name, "no rows", "give lines `click price theta`")
    click, price, theta = zip(*rows, strict=True)
    return BidLog(np.array(click), np.array(price, np.int64), np.array(theta))


def _row(fields: list[str], at: str) -> tuple[float, int, float]:
    try:
        row = float(fields[0]), int(fields[1]), float(fields[2])
    except ValueError:
        row = math.nan, 0, math.nan
    if row[0] not in (0.0, 1.0) or not 0 <= row[1] < 2**31 or not 0.0 <= row[2] <= 1.0:
        raise InputError(at, " ".join(fields)[:80], "give a 0 or 1, a price and a probability")
    return row
