"""From a score to a probability that can be trusted with money."""

from calibration import metrics
from calibration.base import Calibrator, from_json
from calibration.beta import BetaCalibrator
from calibration.chain import Chain
from calibration.check import check_calibrator
from calibration.drift import DriftCorrector
from calibration.errors import CalibrationError, NotFittedError, UndefinedMetric
from calibration.isotonic import IsotonicCalibrator
from calibration.joint import JointCalibrator
from calibration.platt import PlattCalibrator
from calibration.sampling import SamplingCorrection
from calibration.segment import SegmentCalibrator
from calibration.temperature import TemperatureCalibrator

__all__ = [
    "BetaCalibrator",
    "CalibrationError",
    "Calibrator",
    "Chain",
    "DriftCorrector",
    "IsotonicCalibrator",
    "JointCalibrator",
    "NotFittedError",
    "PlattCalibrator",
    "SamplingCorrection",
    "SegmentCalibrator",
    "TemperatureCalibrator",
    "UndefinedMetric",
    "check_calibrator",
    "from_json",
    "metrics",
]
