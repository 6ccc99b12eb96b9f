"""What maps images to classes: the contract (`base`), its adapters, and `wrap`, which finds the right one.

Not in this package: training, fast engines (`engines`), and the opening of files under audit (`suspects`).
"""

from doldrum.classifiers.base import Classifier, Outputs, labels_of
from doldrum.classifiers.wrap import as_classifier

__all__ = ["Classifier", "Outputs", "as_classifier", "labels_of"]
