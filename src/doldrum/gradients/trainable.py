"""Trainable: a copy of a classifier's model whose weights can be changed, and which can be turned into a classifier
again."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import nn

from doldrum.classifiers.adapters.module import ModuleClassifier
from doldrum.classifiers.adapters.onnx import OnnxClassifier
from doldrum.classifiers.base import Classifier
from doldrum.errors import ClassifierError
from doldrum.gradients.copied import frozen_copy
from doldrum.gradients.onnx_module import OnnxModule
from doldrum.gradients.onnx_weights import Layer, write_weights

__all__ = ["Channels", "Trainable", "trainable"]

_TINY = float(torch.finfo(torch.float32).tiny)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
Channels = tuple[str, str]
"""The names of a layer's two parameters: the weight, whose first axis is the channels, and the bias. The name of the
bias is "" if the layer has no bias."""


class Trainable(nn.Module, ABC):
    """Maps float32 images (B, C, H, W) in [0, 1] to float32 logits or log-probabilities (B, K), with gradients for the
    weights.

    The module has a copy of the weights, so the classifier's own weights do not change. :func:`trainable` makes such a
    module.
    """

    model: nn.Module

    def __init__(self, source: Classifier) -> None:
        super().__init__()
        self.scores: Literal["logits", "log-probabilities"] = (
            "log-probabilities" if source.outputs == "probabilities" else "logits"
        )
        self.training = False

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found = self.model(images).float()
        return self._log(found) if self.scores == "log-probabilities" else found

    def _log(self, found: torch.Tensor) -> torch.Tensor:
        return found.clamp_min(_TINY).log()

    @abstractmethod
    def classifier(self) -> Classifier:
        """Make a classifier of the same kind as the original classifier, with a copy of this module's present
        weights."""

    @abstractmethod
    def channels(self) -> list[Channels]:
        """The layers whose channels can be pruned: batch normalisation if there is any, or else convolutions, or else
        hidden linear layers."""

    @abstractmethod
    def last_channels(self) -> Channels:
        """Return the channels of the last convolution or, if a batch normalisation follows it, of this batch
        normalisation. Raises ClassifierError if the model has no convolution."""

    @abstractmethod
    def watching(self, channels: Channels, see: Callable[[torch.Tensor], None]) -> AbstractContextManager[None]:
        """While the block runs, each forward pass calls the function `see` with the output of one layer. `channels`
        lists the names of this layer's parameters."""


class _Module(Trainable):
    def __init__(self, source: ModuleClassifier) -> None:
        super().__init__(source)
        source.check_state()
        self.source = source
        self.model = frozen_copy(source.module)
        given = {name for name, p in source.module.named_parameters() if p.requires_grad}
        for name, parameter in self.model.named_parameters():  # what was frozen stays so, unless all were
            parameter.requires_grad_(not given or name in given)

    def classifier(self) -> Classifier:
        return self.source.with_module(frozen_copy(self.model).to(self.source.dtype))

    def channels(self) -> list[Channels]:
        layers = dict(self.named_modules())
        kinds = [
            [n for n, one in layers.items() if isinstance(one, _NORMS) and one.affine],
            [n for n, one in layers.items() if isinstance(one, nn.Conv2d)],
            [n for n, one in layers.items() if isinstance(one, nn.Linear)][:-1],
        ]
        return [_names(n, layers[n]) for n in next((found for found in kinds if found), [])]

    def last_channels(self) -> Channels:
        layers: list[tuple[str, Any]] = [
            (n, one) for n, one in self.named_modules() if isinstance(one, (nn.Conv2d, nn.BatchNorm2d))
        ]
        places = [i for i, (_, one) in enumerate(layers) if isinstance(one, nn.Conv2d)]
        if not places:
            raise _no_convolution()
        last, *behind = layers[places[-1] :]
        norm = behind and isinstance(behind[0][1], nn.BatchNorm2d) and behind[0][1].affine
        return _names(*(behind[0] if norm and len(behind[0][1].weight) == len(last[1].weight) else last))

    @contextmanager
    def watching(self, channels: Channels, see: Callable[[torch.Tensor], None]) -> Iterator[None]:
        layer = self.get_submodule(channels[0].removesuffix(".weight"))

        def note(_layer: nn.Module, _inputs: Any, output: torch.Tensor) -> None:
            see(output)

        handle = layer.register_forward_hook(note)
        try:
            yield
        finally:
            handle.remove()


class _Onnx(Trainable):
    def __init__(self, source: OnnxClassifier) -> None:
        super().__init__(source)
        self.source = source
        log = self.scores == "log-probabilities"
        self.model = OnnxModule(source.path, output=source.output_name, log=log, trainable=True)
        if self.graph.rounds:
            raise ClassifierError(
                "expected an ONNX model in floating point, got a quantised model, whose weights can't be trained; give the model as it was before quantisation"
            )

    @property
    def graph(self) -> OnnxModule:
        return cast("OnnxModule", self.model)

    def _log(self, found: torch.Tensor) -> torch.Tensor:
        return found if self.graph.is_log else super()._log(found)

    def weights(self) -> dict[str, nn.Parameter]:
        """Maps the names of the weights in the ONNX file to the parameters."""
        return self.graph.weights()

    def classifier(self) -> Classifier:
        folder = tempfile.mkdtemp(prefix="doldrum-onnx-")
        try:
            path = Path(folder) / "model.onnx"
            write_weights(Path(self.source.path), path, self.graph.weights())
            made = self.source.at(path)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        weakref.finalize(made, shutil.rmtree, folder, ignore_errors=True)
        return made

    def channels(self) -> list[Channels]:
        norms = [one for one in self.graph.layers if one.op == "BatchNormalization"]
        return [self._names(one.weights) for one in norms or self._convolutions()]

    def last_channels(self) -> Channels:
        found = self._convolutions()
        if not found:
            raise _no_convolution()
        place = self.graph.layers.index(found[-1])
        behind = self.graph.layers[place + 1 : place + 2]
        norm = behind and behind[0].op == "BatchNormalization"
        return self._names((behind[0] if norm else found[-1]).weights)

    @contextmanager
    def watching(self, channels: Channels, see: Callable[[torch.Tensor], None]) -> Iterator[None]:
        layer = next(one for one in self.graph.layers if self._names(one.weights) == channels)
        before = self.graph.watch, self.graph.seen
        self.graph.watch, self.graph.seen = layer.output, see
        try:
            yield
        finally:
            self.graph.watch, self.graph.seen = before

    def _convolutions(self) -> list[Layer]:
        return [one for one in self.graph.layers if one.op == "Conv"]

    def _names(self, weights: tuple[str, ...]) -> Channels:
        weight, *more = (f"model.{self.graph.names[name]}" for name in weights)
        return weight, more[0] if more else ""


def trainable(classifier: Classifier) -> Trainable:
    """Make a copy of `classifier`'s model, in fp32 and evaluation mode, whose weights can be trained.

    A torch module is copied. For an ONNX file, torch runs the nodes, and the weights of the layers are parameters.
    Parameters that are frozen in a module stay frozen in the copy. But if all parameters are frozen, all of them become
    trainable.

    Raises ClassifierError if the classifier's weights can't be accessed, if no weights are in floating point, or if the
    classifier returns only labels.

    >>> from doldrum.classifiers import as_classifier
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3)).eval()
    >>> model = trainable(as_classifier(net, input_shape=(1, 2, 2), num_classes=3))
    >>> [name for name, _ in model.named_parameters()]
    ['model.1.weight', 'model.1.bias']
    """
    if classifier.outputs == "labels":
        raise _none("a model that gives labels only", "give a model with scores")
    made = (
        _Module(classifier)
        if isinstance(classifier, ModuleClassifier)
        else _Onnx(classifier)
        if isinstance(classifier, OnnxClassifier)
        else None
    )
    if made is None:
        raise _none(classifier.no_gradients[0], "give a torch module in Python, or a file to doldrum repair")
    if not any(p.requires_grad for p in made.parameters()):
        raise _none(
            "a model without weights in floating point", "give the floating-point model from which this model was made"
        )
    return made


def _names(name: str, layer: Any) -> Channels:
    return f"{name}.weight", f"{name}.bias" if isinstance(layer.bias, nn.Parameter) else ""


def _none(what: str, do: str) -> ClassifierError:
    return ClassifierError(f"expected a model whose weights can be trained, got {what}; {do}")


def _no_convolution() -> ClassifierError:
    return ClassifierError(
        "expected a model with convolutions, to prune their channels, got a model without convolutions; use another method"
    )
