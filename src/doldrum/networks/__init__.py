"""Reference networks, by name. Each network takes NCHW images in [0, 1], which its first layer normalises.

The module `own` defines doldrum's own networks. `transfer` contains networks for transfer learning, which keep
pretrained weights. `build` makes a network by its name. This package trains nothing, and reads weights only from an
installed package.
"""

from doldrum.networks.build import CHECKPOINT_FORMAT, build, check_fits, check_network
from doldrum.networks.own import NETWORKS, Normalise
from doldrum.networks.transfer import TRANSFER, Transfer, load_pretrained

__all__ = [
    "CHECKPOINT_FORMAT",
    "NETWORKS",
    "TRANSFER",
    "Normalise",
    "Transfer",
    "build",
    "check_fits",
    "check_network",
    "load_pretrained",
]
