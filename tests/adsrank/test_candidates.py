"""Nothing leaves without a reason."""

import numpy as np
import pytest

from adsrank.candidates import Candidates
from auction.reason import Reason


def candidates() -> Candidates:
    found = Candidates(row=np.array([4, 7, 9]))
    found["score"] = np.array([0.1, 0.2, 0.3])
    return found


def test_keep_takes_every_column_along_and_notes_who_left():
    found = candidates()
    found.keep(np.array([True, False, True]), Reason.BUDGET, "filter")
    assert found.row.tolist() == [4, 9]
    assert found["score"].tolist() == [0.1, 0.3]
    (departure,) = found.departures
    assert (departure.stage, departure.reason, departure.row.tolist()) == ("filter", Reason.BUDGET, [7])


def test_keeping_everyone_notes_nothing():
    found = candidates()
    found.keep(np.ones(3, bool), Reason.BUDGET, "filter")
    assert found.departures == []


def test_a_column_of_another_length_is_refused():
    with pytest.raises(ValueError, match="'late' has 2 values for 3 candidates"):
        candidates()["late"] = np.zeros(2)
