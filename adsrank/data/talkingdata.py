"""TalkingData's ad clicks and the installs that followed, with both times (Kaggle, 2018).

"talkingdata-adtracking-fraud-detection" on Kaggle holds the full set.
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from adsrank.data.delimited import read_delimited

CATEGORIES = ("ip", "app", "device", "os", "channel")
SCHEMA = {
    **dict.fromkeys(CATEGORIES, pa.string()),
    "click_time": pa.timestamp("s"),
    "attributed_time": pa.timestamp("s"),
    "is_attributed": pa.int8(),
}


def read_talkingdata(*paths: Path) -> pa.Table:
    """Clicks, oldest first: five categories as strings, `click_time`, `attributed_time` (null without an
    install), `is_attributed`. The install's time is known only after the click: it is no feature.

    Raises:
        InputError: as `read_delimited`.
    """
    table = read_delimited(paths, SCHEMA)
    return table.take(pc.sort_indices(table, [("click_time", "ascending")]))
