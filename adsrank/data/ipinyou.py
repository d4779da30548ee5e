"""iPinYou's bidding log with the click predictions that were logged beside it (Zhang et al. 2014).

The log is made by the scripts `make-ipinyou-data` from the competition's data, the predictions after Cai
et al. (2017).
"""

import gzip
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
    click: list[float] = []
    price: list[int] = []
    theta: list[float] = []
    number = 0
    try:
        with gzip.open(path, "rt", encoding="ascii") as lines:
            for number, line in enumerate(lines, 1):
                fields = line.split()
                if len(fields) != 3:
                    continue
                click.append(float(fields[0]))
                price.append(int(fields[1]))
                theta.append(float(fields[2]))
                if click[-1] not in (0.0, 1.0) or not 0.0 <= theta[-1] <= 1.0:
                    raise ValueError(line.strip())
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path.name}: line {number}", str(error)[:80], "give `click price theta`") from None
    if not click:
        raise InputError(path.name, "no rows", "give lines `click price theta`")
    return BidLog(np.array(click), np.array(price, np.int64), np.array(theta))
