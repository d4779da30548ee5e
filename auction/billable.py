"""The event an advertiser pays for, and the risk grade of a neighbour."""

from enum import IntEnum

import numpy as np
import numpy.typing as npt


class Billable(IntEnum):
    """Codes are written to the decision log: never renumber, only append."""

    IMPRESSION = 0
    CLICK = 1
    CONVERSION = 2
    VIEW = 3
    """Of a video, as the platform counts it."""


class Grade(IntEnum):
    """Risk of an organic item beside an ad. An item without a label counts as MEDIUM."""

    LOW = 0
    MEDIUM = 1
    HIGH = 2


def event_probability(
    event: npt.NDArray[np.int8],
    p_click: npt.NDArray[np.float64],
    p_click_conversion: npt.NDArray[np.float64],
    p_view: npt.NDArray[np.float64] | float = 0.0,
) -> npt.NDArray[np.float64]:
    """Probability of each ad's event (`Billable` codes), given examined: 1 for an impression."""
    kinds = [event == Billable.CLICK, event == Billable.CONVERSION, event == Billable.VIEW]
    return np.select(kinds, [p_click, p_click_conversion, p_view], 1.0)
