"""Detectors: find the inputs that carry a trigger, with a promise about false alarms; one a file."""

from doldrum.detectors.base import Detector
from doldrum.detectors.calibration import Calibration
from doldrum.detectors.evidence import Evidence
from doldrum.detectors.max_softmax import MaxSoftmax
from doldrum.detectors.result import ScanResult
from doldrum.detectors.w import W

__all__ = ["Calibration", "Detector", "Evidence", "MaxSoftmax", "ScanResult", "W"]
