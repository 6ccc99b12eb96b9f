"""differentiable: make a Classifier into a torch module whose scores have gradients with respect to the images."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from doldrum.checks import is_kind
from doldrum.classifiers.adapters.module import ModuleClassifier
from doldrum.classifiers.adapters.onnx import OnnxClassifier
from doldrum.classifiers.base import Classifier
from doldrum.errors import ClassifierError, InputError
from doldrum.gradients.check import check_agreement, check_gradients
from doldrum.gradients.copied import frozen_copy
from doldrum.gradients.onnx_module import OnnxModule

__all__ = ["Differentiable", "differentiable"]

_FEW = 16  # images that are checked
ROUNDS = "gradients ignore the model's rounding (straight-through)"
_TINY = float(np.finfo(np.float32).tiny)


class Differentiable(nn.Module):
    """Maps float32 images (B, C, H, W) in [0, 1] to float32 scores (B, K), with gradients only with respect to the
    images.

    Attributes
    ----------
    scores : "logits" or "log-probabilities"
        The kind of scores. If the model returns probabilities, the module returns their logarithms.
    input_shape, num_classes
        The input shape and the number of classes, as in the classifier.
    notes : sentences about the limits of the gradients, for example that the gradients ignore rounding
    """

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        if classifier.outputs == "labels":
            raise _none(
                "a model that gives labels only", "give a model with scores, or use methods that need only labels"
            )
        self.input_shape, self.num_classes = classifier.input_shape, classifier.num_classes
        log = classifier.outputs == "probabilities"
        self.scores: Literal["logits", "log-probabilities"] = "log-probabilities" if log else "logits"
        self.notes: tuple[str, ...] = ()
        self.tolerance = 1e-3
        if isinstance(classifier, ModuleClassifier):
            classifier.check_state()
            self.model, self._is_log = frozen_copy(classifier.module), False
            self.device = classifier.device
            if classifier.dtype in (torch.float16, torch.bfloat16):
                self.tolerance = 0.05 if classifier.dtype == torch.bfloat16 else 0.02
        elif isinstance(classifier, OnnxClassifier):
            self.model = OnnxModule(classifier.path, output=classifier.output_name, log=log)
            self._is_log, self.device = self.model.is_log, torch.device("cpu")
            self.notes = (ROUNDS,) if self.model.rounds else ()
            self.tolerance = 0.1 if self.model.rounds else 0.02 if self.model.was_half else 1e-3
        else:
            raise _none(*classifier.no_gradients)
        self.training = False  # its parts are, already; .eval() is refused by what torch.export gives

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        # A copy: a model may write over its input, which autograd refuses for a tensor that it is asked about.
        found = self.model(images.to(self.device, torch.float32, copy=True)).float()
        if self.scores == "log-probabilities" and not self._is_log:
            found = found.clamp_min(_TINY).log()
        return found


def differentiable(classifier: Classifier, images: NDArray[np.float32]) -> Differentiable:
    """Make `classifier` into a frozen torch module in fp32, whose scores have gradients with respect to the images.

    A torch module is copied, so that the original does not change. For an ONNX file, torch runs its nodes
    (:class:`OnnxModule`). Like the classifier, the module includes the preprocessing.

    Parameters
    ----------
    classifier
        Any Classifier. For a file, use the Classifier that :func:`doldrum.opening.inside.open_suspect` returns in the
        confined process.
    images : float32 (N, C, H, W) in [0, 1]
        A few images that the model is meant for; the first 16 are used for checks. On these images, the module's scores
        must equal the classifier's, up to 1e-3 of the scores' spread. So the module and the classifier can predict
        different labels only if two scores are nearly equal. For models in half precision, the scores may differ by up
        to 0.02 of the spread in place of 1e-3, and for bfloat16 by up to 0.05. For models that round intermediate
        values, the scores may differ by up to 0.1 of the spread, because the module may round a value differently. The
        gradient must be finite and not zero for at least one image.

    Returns
    -------
    Differentiable
        The attribute `scores` of the module says whether it returns logits or log-probabilities.

    Raises
    ------
    InputError
        Raised if there are no images, or if the images do not have the shape that the classifier takes.
    ClassifierError
        Raised if the model has no gradients, or if it fails the checks. The message says why. If the model has no
        gradients, the message also says what to give instead.

    Examples
    --------
    >>> from doldrum.classifiers import as_classifier
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3)).eval()
    >>> module = differentiable(as_classifier(net, input_shape=(1, 2, 2), num_classes=3), np.ones((2, 1, 2, 2), np.float32))
    >>> x = torch.ones(1, 1, 2, 2, requires_grad=True)
    >>> module(x)[0, 2].backward()
    >>> bool(torch.allclose(x.grad.flatten(), net[1].weight[2])), net[1].weight.grad is None
    (True, True)
    """
    if not is_kind(classifier, Classifier):
        raise InputError(f"expected a Classifier, got {type(classifier).__name__}; make one with as_classifier")
    module = Differentiable(classifier)
    few = np.ascontiguousarray(np.asarray(images)[:_FEW], dtype=np.float32)
    if not len(few):
        raise InputError(
            "expected a few images to check gradients on, got none; pass images that the model is meant for"
        )
    check_agreement(module, few, classifier(few), log=module.scores != "logits", tolerance=module.tolerance)
    usable = check_gradients(module, few)
    if usable < len(few):
        module.notes += (f"gradients are zero or not finite at {len(few) - usable} of the {len(few)} images checked",)
    return module


def _none(what: str, do: str) -> ClassifierError:
    return ClassifierError(f"expected a model whose scores have gradients, got {what}; {do}")
