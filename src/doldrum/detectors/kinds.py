"""The classes of all detectors, by the detector's id. To make a new detector available everywhere, add it to this list."""

from doldrum.detectors.baselines.frequency import Frequency
from doldrum.detectors.baselines.ibd_psc import IBDPSC
from doldrum.detectors.baselines.max_softmax import MaxSoftmax
from doldrum.detectors.baselines.psbd import PSBD
from doldrum.detectors.baselines.rpp import RPP
from doldrum.detectors.baselines.scale_up import ScaleUp
from doldrum.detectors.baselines.strip import STRIP
from doldrum.detectors.baselines.teco import TeCo
from doldrum.detectors.baselines.w import W
from doldrum.detectors.contract.detector import Detector
from doldrum.detectors.profile.profile import SmoothnessProfile
from doldrum.detectors.profile.staged import StagedProfile

__all__ = [
    "DETECTORS",
    "IBDPSC",
    "PSBD",
    "RPP",
    "STRIP",
    "Frequency",
    "MaxSoftmax",
    "ScaleUp",
    "SmoothnessProfile",
    "StagedProfile",
    "TeCo",
    "W",
]

DETECTORS: dict[str, type[Detector]] = {
    kind.name: kind
    for kind in (SmoothnessProfile, StagedProfile, MaxSoftmax, W, RPP, STRIP, ScaleUp, TeCo, Frequency, IBDPSC, PSBD)
}
"""Every detector class, by the detector's id."""
