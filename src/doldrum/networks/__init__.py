"""Reference networks, by name. Each takes [0, 1] NCHW images; its first layer normalises them.

`own` has ours, `transfer` those that keep what somebody else trained, `build` makes one by its name. No training, and no file of weights but
a package's own.
"""

from doldrum.networks.build import CHECKPOINT_FORMAT, build, check_network
from doldrum.networks.own import NETWORKS, Normalise
from doldrum.networks.transfer import TRANSFER, Transfer, load_pretrained

__all__ = [
    "CHECKPOINT_FORMAT",
    "NETWORKS",
    "TRANSFER",
    "Normalise",
    "Transfer",
    "build",
    "check_network",
    "load_pretrained",
]
