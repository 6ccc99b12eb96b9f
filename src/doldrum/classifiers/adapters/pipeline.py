"""A Classifier made from an image-classification pipeline of the transformers library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from doldrum.checks import is_array
from doldrum.classifiers.adapters.module import ModuleClassifier
from doldrum.classifiers.base import Classifier, Outputs
from doldrum.errors import InputError

__all__ = ["PipelineClassifier", "pipeline_classifier"]


class _Processed(nn.Module):
    """Scales pixels in [0, 1] as the pipeline's processor does (x * scale + shift), and then runs the model. Returns
    logits."""

    def __init__(self, model: nn.Module, scale: NDArray[Any], shift: NDArray[Any]) -> None:
        super().__init__()
        self.model = model
        device = next((p.device for p in model.parameters()), torch.device("cpu"))
        self.scale: torch.Tensor
        self.shift: torch.Tensor
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float32, device=device).reshape(1, -1, 1, 1))
        self.register_buffer("shift", torch.tensor(shift, dtype=torch.float32, device=device).reshape(1, -1, 1, 1))

    def forward(self, x: torch.Tensor) -> Any:
        return self.model((x * self.scale + self.shift).to(x.dtype)).logits


class PipelineClassifier(ModuleClassifier):
    """The pipeline's model, with its processor's scaling of pixels in front. The images have the size that the
    processor makes.

    Perturbations are added after the processor's resizing and before its scaling, in units of the [0, 1] range.

    Attributes
    ----------
    class_names : the names of the classes in order, from the model's `id2label`
    """

    class_names: tuple[str, ...]

    def __init__(self, pipeline: Any, module: nn.Module, **known: Any) -> None:
        super().__init__(module, **known)
        self._processor = pipeline.image_processor
        names = pipeline.model.config.id2label
        self.class_names = tuple(str(names[i]) for i in range(self.num_classes))

    def images(self, pictures: Sequence[Any]) -> NDArray[Any]:
        """Resize and crop Pillow images, or uint8 arrays (H, W, 3), with the pipeline's own processor. The result is
        (N, C, H, W), uint8.

        If the processor's resizing gives fractions, the result is float32 in [0, 1]. Raises InputError if the resized
        picture does not have the shape `input_shape`.
        """
        made = [_run(self._processor, p, do_rescale=False, do_normalize=False) for p in pictures]
        for one in made:
            if one.shape != self.input_shape:
                raise InputError(
                    f"expected pictures that the pipeline's processor resizes to shape {self.input_shape}, got a picture that it resizes to shape {one.shape}; resize the pictures"
                )
        found = np.stack(made) if made else np.empty((0, *self.input_shape), dtype=np.uint8)
        return found if found.dtype == np.uint8 else (found / 255).astype(np.float32)


def pipeline_classifier(
    pipeline: Any, *, input_shape: tuple[int, int, int] | None, num_classes: int | None, outputs: Outputs | None
) -> Classifier:
    """Make a Classifier from an image-classification pipeline; see :func:`doldrum.as_classifier`.

    The processor is run on black, white and random images to find out what it does with pixels. The processor's
    settings are not used, since they are easy to misunderstand. Raises InputError if the pipeline's task is not image
    classification, or if its processor does more than resize, crop, rescale and normalise.
    """
    processor, model = getattr(pipeline, "image_processor", None), getattr(pipeline, "model", None)
    if (
        getattr(pipeline, "task", None) != "image-classification"
        or processor is None
        or not isinstance(model, nn.Module)
    ):
        task = getattr(pipeline, "task", None)
        raise InputError(
            f"expected an image-classification pipeline of torch, got one for {task!r}; wrap it in a function"
        )
    config: Any = model.config
    if config.problem_type not in (None, "single_label_classification") or config.num_labels < 2:
        what = f"{config.problem_type} with {config.num_labels} labels"
        raise InputError(
            f"expected a model that gives each image one of several labels, got {what}; wrap it in a function"
        )
    if num_classes is not None and num_classes != config.num_labels:
        raise InputError(
            f"expected num_classes={config.num_labels}, as the pipeline says, got {num_classes}; leave out num_classes="
        )
    if outputs not in (None, "logits"):
        raise InputError(f"expected outputs='logits' for a pipeline, got {outputs!r}; leave out outputs=")
    shape = _shape(processor, input_shape)
    scale, shift = _scaling(processor, shape)
    module = _Processed(model, scale, shift)
    module.training = False  # its parts are checked by ModuleClassifier
    return PipelineClassifier(pipeline, module, input_shape=shape, num_classes=config.num_labels, outputs="logits")


def _run(processor: Any, picture: Any, **options: Any) -> NDArray[Any]:
    """The array (C, H, W) that the pipeline's processor makes of one picture."""
    if hasattr(picture, "convert"):
        picture = picture.convert("RGB")
    elif not (is_array(picture) and picture.dtype == np.uint8 and picture.ndim == 3):
        got = f"{picture.dtype} {picture.shape}" if is_array(picture) else type(picture).__name__
        raise InputError(
            f"expected a Pillow image or a uint8 array (H, W, 3), got {got}; open files with PIL.Image.open"
        )
    return np.asarray(processor(images=[picture], return_tensors="pt", **options)["pixel_values"][0])


def _shape(processor: Any, given: tuple[int, int, int] | None) -> tuple[int, int, int]:
    """The shape of the images that the processor makes. If the processor makes images of several shapes, the result is
    the shape `given`."""
    made = {
        _run(processor, np.zeros((h, w, 3), np.uint8), do_rescale=False, do_normalize=False).shape
        for h, w in ((96, 64), (64, 96))
    }
    found = next(iter(made))
    if len(made) > 1 and given is None:
        raise InputError(
            f"expected an input_shape, got none; pass one, since the pipeline's processor makes images of several shapes: {sorted(made)}"
        )
    if len(made) == 1 and given is not None and tuple(given) != found:
        raise InputError(
            f"expected input_shape={found}, the shape that the pipeline's processor produces, got {given}; leave out input_shape="
        )
    c, h, w = found if len(made) == 1 or given is None else given
    return c, h, w


def _scaling(processor: Any, shape: tuple[int, int, int]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The scale and shift of each colour channel. Raises InputError if the processor changes pixels in any way other
    than by a scale and a shift."""
    c, h, w = shape
    as_it_is = {"do_resize": False, "do_center_crop": False}
    black, white = (_run(processor, np.full((h, w, 3), value, np.uint8), **as_it_is) for value in (0, 255))
    tried = np.random.default_rng(0).integers(0, 256, (h, w, 3), dtype=np.uint8)
    found = _run(processor, tried, **as_it_is)
    if black.shape == shape:
        shift, scale = black[:, 0, 0], white[:, 0, 0] - black[:, 0, 0]
        expected = tried.transpose(2, 0, 1) / 255 * scale[:, None, None] + shift[:, None, None]
        if found.shape == shape and np.allclose(
            found, expected, rtol=0, atol=1e-4 * max(1.0, float(np.abs(scale).max()))
        ):
            return scale, shift
    raise InputError(
        f"expected a processor that only rescales and normalises the pixels of {c}x{h}x{w} images, got {type(processor).__name__}, which does "
        "something else to them; wrap the pipeline in a function"
    )
