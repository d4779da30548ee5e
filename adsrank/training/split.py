"""Splitting a table by time: the model learns from the past, is calibrated and tested on what came later."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from adsrank.errors import InputError
from adsrank.training.config import SplitConfig
from adsrank.training.labels import Labels

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LEAST = 50
"""Rows that each piece must have."""


@dataclass(frozen=True, slots=True)
class Split:
    """Three consecutive pieces of rows sorted by time: train < calibrate < test.

    Shares are of the mature rows, so that each piece has conversions one can trust; rows whose window
    is still open come last and belong to the test (for clicks, saves and hides). Rows of one moment,
    hence of one request, are never divided.
    """

    train_end: int
    calibrate_end: int
    rows: int
    moments: tuple[int, int, int, int]
    """First row, begin of calibrate, begin of test, last row: microseconds since 1970, UTC."""

    @classmethod
    def by_time(cls, labels: Labels, config: SplitConfig) -> "Split":
        """Raises InputError where a piece would have next to no rows."""
        return cls.at(labels.time, int(labels.mature.sum()), config)

    @classmethod
    def at(cls, time: npt.NDArray[np.int64], mature: int, config: SplitConfig) -> "Split":
        """The same of sorted times (int64 [n], a mapped file as well), of which the first `mature` are so."""
        n = len(time)
        cuts = []
        for share in (config.train, config.train + config.calibrate):
            at = min(int(mature * share), n - 1)
            cuts.append(int(np.searchsorted(time, time[at], side="left")))
        first, second = cuts
        if min(first, second - first, n - second) < LEAST:
            raise InputError(
                "table",
                f"{n} rows, {mature} of them mature",
                f"each of train, calibrate and test needs {LEAST} rows at moments of their own; "
                "give a longer log or a shorter attribution window",
            )
        moments = (time[0], time[first], time[second], time[-1])
        return cls(first, second, n, tuple(int(moment) for moment in moments))  # type: ignore[arg-type]

    @property
    def train(self) -> npt.NDArray[np.int64]:
        return np.arange(0, self.train_end)

    @property
    def calibrate(self) -> npt.NDArray[np.int64]:
        return np.arange(self.train_end, self.calibrate_end)

    @property
    def test(self) -> npt.NDArray[np.int64]:
        return np.arange(self.calibrate_end, self.rows)

    def to_json(self) -> dict[str, Any]:
        """Each piece's rows, first moment (UTC), and the table's last."""
        sizes = (self.train_end, self.calibrate_end - self.train_end, self.rows - self.calibrate_end)
        pieces = {
            name: {"rows": size, "from": _iso(moment)}
            for name, size, moment in zip(("train", "calibrate", "test"), sizes, self.moments, strict=False)
        }
        return {**pieces, "until": _iso(self.moments[3])}


def _iso(moment: int) -> str:
    return (EPOCH + timedelta(microseconds=moment)).isoformat()
