"""Detectors: find the inputs that carry a trigger, with a promise about false alarms; one a file."""

from doldrum.detectors.base import Detector
from doldrum.detectors.calibration import Calibration
from doldrum.detectors.evidence import Evidence
from doldrum.detectors.frequency import Frequency
from doldrum.detectors.guard import Guard
from doldrum.detectors.ibd_psc import IBDPSC
from doldrum.detectors.max_softmax import MaxSoftmax
from doldrum.detectors.profile import SmoothnessProfile
from doldrum.detectors.psbd import PSBD
from doldrum.detectors.result import ScanResult
from doldrum.detectors.rpp import RPP
from doldrum.detectors.saved import load_detector
from doldrum.detectors.scale_up import ScaleUp
from doldrum.detectors.strip import STRIP
from doldrum.detectors.teco import TeCo
from doldrum.detectors.w import W

__all__ = [
    "DETECTORS",
    "IBDPSC",
    "PSBD",
    "RPP",
    "STRIP",
    "Calibration",
    "Detector",
    "Evidence",
    "Frequency",
    "Guard",
    "MaxSoftmax",
    "ScaleUp",
    "ScanResult",
    "SmoothnessProfile",
    "TeCo",
    "W",
    "load_detector",
]

DETECTORS: dict[str, type[Detector]] = {
    kind.name: kind for kind in (SmoothnessProfile, MaxSoftmax, W, RPP, STRIP, ScaleUp, TeCo, Frequency, IBDPSC, PSBD)
}
"""Every detector by its id."""
