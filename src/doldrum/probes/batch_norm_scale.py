"""Scale up batch normalisation: the perturbation of the defence IBD-PSC."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from doldrum.classifiers.base import Classifier
from doldrum.errors import ClassifierError, InputError
from doldrum.probes._modules import changed_copy
from doldrum.probes.base import ModelProbe

if TYPE_CHECKING:
    from torch import nn

__all__ = ["BatchNormScale"]


class BatchNormScale(ModelProbe):
    """Multiply gamma and beta of the last l batch-normalisation layers by `omega`.

    `strengths` are numbers of layers l; 0 leaves the model unchanged. Layers are counted from the end, in the order in
    which the model lists them. The perturbation is not random, so it has one draw.

    Source: Hou et al. 2024 (IBD-PSC), arXiv 2405.09786, section 4.2; omega = 1.5.

    Raises ClassifierError for a classifier that isn't a torch module, or has fewer batch-normalisation layers than the
    largest strength.

    >>> BatchNormScale([1, 2, 3])
    BatchNormScale(strengths=[1.0, 2.0, 3.0], omega=1.5)
    """

    family = "batch-norm-scale"

    def __init__(self, strengths: Sequence[float], *, omega: float = 1.5) -> None:
        super().__init__(strengths, draws=1)
        self.check_whole("layers")
        if not omega > 0:
            raise InputError(f"expected omega above 0, got {omega}; the paper uses 1.5")
        self.omega = float(omega)

    def to_dict(self) -> dict[str, Any]:
        return {"family": self.family, "strengths": list(self.strengths), "omega": self.omega}

    def model(self, classifier: Classifier, condition: int, draw: int) -> Classifier:
        def scale(module: nn.Module) -> None:
            import torch

            layers = batch_norms(module)
            if max(self.strengths) > len(layers):
                raise ClassifierError(
                    f"expected a model with at least {int(max(self.strengths))} batch-normalisation layers with gamma "
                    f"and beta, got {len(layers)}; ask for fewer layers"
                )
            with torch.no_grad():
                for layer in layers[len(layers) - int(self.strengths[condition]) :]:
                    layer.weight.mul_(self.omega)
                    layer.bias.mul_(self.omega)

        return changed_copy(classifier, "batch normalisation", scale)


def batch_norms(module: nn.Module) -> list[Any]:
    """The batch-normalisation layers that have gamma and beta, in the order in which the model lists them."""
    from torch.nn.modules.batchnorm import _BatchNorm

    return [part for part in module.modules() if isinstance(part, _BatchNorm) and part.affine]
