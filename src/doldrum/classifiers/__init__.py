"""What maps images to classes: the contract and its adapters."""

from doldrum.classifiers.base import Classifier, Outputs, labels_of
from doldrum.classifiers.wrap import as_classifier

__all__ = ["Classifier", "Outputs", "as_classifier", "labels_of"]
