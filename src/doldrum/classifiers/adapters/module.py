"""A Classifier made from a torch nn.Module."""

# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from doldrum.checks import is_kind
from doldrum.classifiers.adapters.module_forms import LOOPED, OneByOne, plain_module
from doldrum.classifiers.base import Classifier, Outputs
from doldrum.errors import ClassifierError, InputError, check_memory_left

__all__ = ["ModuleClassifier", "scores_shape"]

# What a network raises for images of another shape than it takes; an OSError or a KeyboardInterrupt is not about them.
_BROKEN = (RuntimeError, AssertionError, ValueError, TypeError, LookupError)


class ModuleClassifier(Classifier):
    """Wraps a module in evaluation mode. The module runs on the device and in the precision of its parameters, without
    gradients.

    The module is tried on two images first. If the module's scores are inside a Hugging Face output, a dict or a tuple
    (:mod:`doldrum.classifiers.outputs`), the attribute `module` is a wrapper that returns only the scores. A module
    that fails on two images but takes one image is run image by image (`one_by_one`), and `notes` says so.

    Raises ClassifierError if the module, or any part of it, is in training mode. In training mode, dropout and batch
    statistics make answers depend on chance and on the batch. Also raises ClassifierError if no part of the module's
    output can be the scores.
    """

    def __init__(
        self,
        module: torch.nn.Module,
        *,
        input_shape: tuple[int, int, int],
        num_classes: int,
        outputs: Outputs = "logits",
    ) -> None:
        super().__init__(input_shape=input_shape, num_classes=num_classes, outputs=outputs)
        if not is_kind(module, torch.nn.Module):
            raise InputError(
                f"expected a torch.nn.Module, got {type(module).__name__}; use as_classifier for other models"
            )
        self.module = module
        self.check_state()
        two = _zeros(module, self.input_shape)
        self.module = plain_module(module, two, num_classes=self.num_classes, outputs=outputs)
        self.notes = (LOOPED,) if self.one_by_one else ()

    def check_state(self) -> None:
        _check_evaluation(self.module)

    def with_module(self, module: torch.nn.Module) -> ModuleClassifier:
        """A copy of this classifier with `module` in place of the old module, which must have the same inputs and
        outputs."""
        return ModuleClassifier(
            module, input_shape=self.input_shape, num_classes=self.num_classes, outputs=self.outputs
        )

    @property
    def one_by_one(self) -> bool:
        """Whether the module is called with one image at a time. Only the engine "eager" can run such a module."""
        return isinstance(self.module, OneByOne)

    @property
    def device(self) -> torch.device:
        return _device(self.module)

    @property
    def dtype(self) -> torch.dtype:
        """The number type of the module's parameters. Images are converted to this type, since a model may be in half
        or double precision."""
        return _dtype(self.module)

    def forward(self, images: NDArray[np.float32]) -> Any:
        batch = torch.from_numpy(np.ascontiguousarray(images)).to(self.device, self.dtype)
        try:
            with torch.inference_mode():
                out = self.module(batch)
        except _BROKEN as error:
            check_memory_left(error)
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise ClassifierError(
                f"expected a model that takes images of shape {tuple(batch.shape)}, got {reason}; check input_shape="
            ) from error
        if not isinstance(out, torch.Tensor):
            raise ClassifierError(f"expected a tensor from the model, got {type(out).__name__}; return the scores only")
        return out

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the module's structure, parameters and buffers. The hash is computed again at each call, since the
        weights of a module can change."""
        digest = hashlib.sha256(f"{self.module}|{self.outputs}".encode())
        for name, tensor in self.module.state_dict().items():
            digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()


def scores_shape(module: torch.nn.Module, images: NDArray[np.float32]) -> tuple[int, ...]:
    """The shape of a module's scores for the given images. This function is for modules whose number of classes isn't
    known. Raises the same errors as ModuleClassifier."""
    c, h, w = images.shape[1:]
    _check_evaluation(module)
    plain = plain_module(module, _zeros(module, (c, h, w)), num_classes=None, outputs="logits")
    return tuple(ModuleClassifier(plain, input_shape=(c, h, w), num_classes=2).forward(images).shape)


def _check_evaluation(module: torch.nn.Module) -> None:
    parts: Iterable[tuple[str, torch.nn.Module]] = module.named_modules()
    training = [name or "the model itself" for name, part in parts if part.training]
    if training:
        raise ClassifierError(
            f"expected a model in evaluation mode, got training mode in {training[0]}; call model.eval() first"
        )


def _zeros(module: torch.nn.Module, shape: tuple[int, int, int]) -> torch.Tensor:
    """Two black images, on the module's device and in the module's precision."""
    return torch.zeros((2, *shape), device=_device(module), dtype=_dtype(module))


def _device(module: torch.nn.Module) -> torch.device:
    first = next(module.parameters(), None)
    return first.device if first is not None else torch.device("cpu")


def _dtype(module: torch.nn.Module) -> torch.dtype:
    return next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)
