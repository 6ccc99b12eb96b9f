"""A torch nn.Module as a Classifier."""

# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from doldrum.checks import is_kind
from doldrum.classifiers.base import Classifier, Outputs
from doldrum.errors import ClassifierError, InputError

__all__ = ["ModuleClassifier"]


class ModuleClassifier(Classifier):
    """Wraps a module in evaluation mode; runs where its parameters are, in their precision, without gradients.

    Raises ClassifierError when the module, or any part of it, is in training mode: dropout and batch statistics would
    make its answers depend on chance and on the batch.
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
            raise InputError(f"expected a torch.nn.Module, got {type(module).__name__}; use as_classifier for others")
        self.module = module
        self.check_state()

    def check_state(self) -> None:
        parts: Iterable[tuple[str, torch.nn.Module]] = self.module.named_modules()
        training = [name or "the model itself" for name, part in parts if part.training]
        if training:
            raise ClassifierError(
                f"expected a model in evaluation mode, got training mode in {training[0]}; call model.eval() first"
            )

    @property
    def device(self) -> torch.device:
        first = next(self.module.parameters(), None)
        return first.device if first is not None else torch.device("cpu")

    @property
    def dtype(self) -> torch.dtype:
        """Type of the parameters, which images are converted to: a model may be in half or double precision."""
        return next((p.dtype for p in self.module.parameters() if p.is_floating_point()), torch.float32)

    def forward(self, images: NDArray[np.float32]) -> Any:
        batch = torch.from_numpy(np.ascontiguousarray(images)).to(self.device, self.dtype)
        try:
            with torch.inference_mode():
                out = self.module(batch)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            reason = str(error).partition("\n")[0]
            raise ClassifierError(
                f"expected a model that takes images of shape {tuple(batch.shape)}, got {reason}; check input_shape"
            ) from error
        if not isinstance(out, torch.Tensor):
            raise ClassifierError(f"expected a tensor from the model, got {type(out).__name__}; return the scores only")
        return out

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the module's structure, parameters and buffers; read anew each time, since weights can change."""
        digest = hashlib.sha256(f"{self.module}|{self.outputs}".encode())
        for name, tensor in self.module.state_dict().items():
            digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()
