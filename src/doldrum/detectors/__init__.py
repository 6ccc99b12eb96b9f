"""Detectors: find triggered inputs by the labels that the model gives to perturbed copies, with a promised
false-positive rate.

Read `contract` first: `profile` and each file of `baselines` implement it, and `deploy` uses it. The inspection of
models, and the report pages, are not in this package.
"""

from typing import TYPE_CHECKING

from doldrum.detectors.contract.calibration import Calibration
from doldrum.detectors.contract.detector import Detector
from doldrum.detectors.contract.evidence import Evidence
from doldrum.detectors.contract.result import ScanResult
from doldrum.detectors.deploy.guard import Guard
from doldrum.detectors.deploy.saved import load_detector, save_detector
from doldrum.detectors.deploy.watch import Watch
from doldrum.detectors.kinds import (
    DETECTORS,
    IBDPSC,
    PSBD,
    RPP,
    STRIP,
    Frequency,
    MaxSoftmax,
    ScaleUp,
    SmoothnessProfile,
    StagedProfile,
    TeCo,
    W,
)

if TYPE_CHECKING:
    from doldrum.detectors.deploy.estimator import OutlierDetector as OutlierDetector

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
    "StagedProfile",
    "TeCo",
    "W",
    "Watch",
    "load_detector",
    "save_detector",
]


def __getattr__(name: str) -> object:
    """Import `OutlierDetector` only when it is first used, because no class of this package except `OutlierDetector`
    needs scikit-learn."""
    if name != "OutlierDetector":
        raise AttributeError(f"module 'doldrum.detectors' has no attribute {name!r}")
    from doldrum.detectors.deploy.estimator import OutlierDetector

    return OutlierDetector
