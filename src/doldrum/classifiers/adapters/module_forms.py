"""Wrap modules that return a dict or tuple, or that take only one image, so that they return one tensor for a batch."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from doldrum.classifiers.base import Outputs
from doldrum.classifiers.outputs import Place, find_answer, take_answer
from doldrum.errors import check_memory_left

__all__ = ["LOOPED", "OneByOne", "Picked", "plain_module"]

LOOPED = (
    "the model takes one image at a time, so doldrum runs it image by image, and only the engine 'eager' can run it"
)


class Picked(nn.Module):
    """Runs the model and returns one part of the model's output. This wrapper is a module itself, so that every engine
    gets a tensor."""

    def __init__(self, model: nn.Module, place: Place) -> None:
        super().__init__()
        self.model, self.place = model, place
        self.training = False  # the model's own state is the model's

    def forward(self, x: torch.Tensor) -> Any:
        return take_answer(self.model(x), self.place)

    def extra_repr(self) -> str:
        return " ".join(map(str, self.place))


class OneByOne(nn.Module):
    """Calls the model with one image at a time. If a row of scores (or a label) lacks the batch axis, this axis is
    added."""

    def __init__(self, model: nn.Module, *, labels: bool) -> None:
        super().__init__()
        self.model, self.labels = model, labels
        self.training = False

    def forward(self, x: torch.Tensor) -> Any:
        rows = [self.model(x[i : i + 1]) for i in range(len(x))]
        return torch.cat([row.reshape(1) if self.labels else row.reshape(1, -1) for row in rows])


def plain_module(module: nn.Module, images: torch.Tensor, *, num_classes: int | None, outputs: Outputs) -> nn.Module:
    """Wrap `module`, if needed, so that it returns one tensor for a batch. To find out whether a wrapper is needed,
    `module` is called with two images.

    If the module fails on two images and also on one image, it is returned unchanged. The error then occurs at the next
    call of the module. Raises ClassifierError if no part of the module's output, or more than one part, can be the
    scores or labels.
    """
    labels = outputs == "labels"
    known: dict[str, Any] = {"num_classes": num_classes, "outputs": outputs}
    cuda = [images.device] if images.device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda), torch.inference_mode():
        try:
            returned = module(images)
        except (
            Exception
        ) as error:  # somebody else's network raises what it likes: nothing, if it asserts a batch of one
            check_memory_left(error)
            returned = None
        if returned is not None:
            place = find_answer(returned, rows=len(images), **known)
            answer = take_answer(returned, place)
            if not isinstance(answer, torch.Tensor) or answer.shape[:1] == (len(images),):
                return module if place is None else Picked(module, place)
        try:
            returned = module(images[:1])
        except Exception as error:
            check_memory_left(error)
            return module
        place = find_answer(returned, rows=1, **known)
    answer = take_answer(returned, place)
    count = 1 if labels else num_classes
    if not isinstance(answer, torch.Tensor) or (count is not None and answer.numel() != count):
        return module
    return OneByOne(module if place is None else Picked(module, place), labels=labels)
