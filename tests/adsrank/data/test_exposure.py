import numpy as np

from adsrank.data.exposure import PAGE_LENGTH, ExposureLaw
from auction.policy import Exposure


def test_the_curves_are_legal_curves_of_the_auction() -> None:
    law = ExposureLaw()
    policy = Exposure(examination=list(law.examination), gap_effect=list(law.gap_effect))
    assert policy.examination[0] == 1.0
    assert (np.diff(policy.examination) <= 0).all()
    assert (np.diff(policy.gap_effect) >= 0).all()
    assert len(law.gap_effect) == 4
    assert len(law.examination) == PAGE_LENGTH


def test_exposure_is_examination_times_gap_effect() -> None:
    law = ExposureLaw(examination=(1.0, 0.5), gap_effect=(0.2, 0.4))
    position = np.array([1, 2, 2, 2, 2, 3, 1000])
    gap = np.array([0, 0, 1, 2, 3, 0, 5])
    np.testing.assert_allclose(law.of(position, gap), [1.0, 0.5, 0.1, 0.2, 0.5, 0.0, 0.0])


def test_there_is_no_gap_effect_from_five_positions_on() -> None:
    position = np.full(6, 10)
    exposure = ExposureLaw().of(position, np.array([0, 4, 5, 6, 20, 100]))
    assert exposure[1] < exposure[0]
    assert len(set(exposure[[0, 2, 3, 4, 5]].tolist())) == 1
