"""Classifiers, which map images to classes: the interface (`base`), its adapters, and `wrap`, which chooses the right
adapter.

Not in this package: training, fast engines (`engines`), and the opening of files under audit (`suspects`).
"""

from doldrum.classifiers.base import Classifier, Outputs, labels_of
from doldrum.classifiers.wrap import as_classifier

__all__ = ["Classifier", "Outputs", "as_classifier", "labels_of"]
