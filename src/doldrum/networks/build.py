"""build: make a network by its name. The network may be one of doldrum's own, one of timm's, or one for transfer
learning."""

from __future__ import annotations

import re
from functools import cache

from doldrum.errors import InputError, missing_extra
from doldrum.lazy import extras
from doldrum.networks.own import NETWORKS, Normalise, Shape
from doldrum.networks.transfer import TRANSFER, transfer

with extras():
    import torch
    from torch import nn

__all__ = ["CHECKPOINT_FORMAT", "build", "check_fits", "check_network"]

_TIMM = "timm/"
CHECKPOINT_FORMAT = "doldrum-checkpoint-1"
"""The name of the file format of doldrum's checkpoints. The package `training` writes this name into each checkpoint,
and the package `suspects` recognises checkpoints by this name."""


def _timm(name: str, shape: Shape, classes: int) -> nn.Module:
    """Make an architecture of timm with new random weights. Nothing is downloaded, and hub names are refused."""
    try:
        import timm  # pyright: ignore[reportMissingImports]
    except (ImportError, RuntimeError) as error:  # RuntimeError: timm imports torchvision, which may not fit this torch
        raise missing_extra("timm", "timm", error) from error
    if not timm.is_model(name):
        raise InputError(
            f"expected the name of a timm architecture after {_TIMM!r}, got {name!r}; see timm.list_models()"
        )
    options = {"pretrained": False, "in_chans": shape[0], "num_classes": classes}
    try:
        return timm.create_model(name, img_size=shape[1:], **options)
    except TypeError:  # convolutional networks take any size and don't know the option
        return timm.create_model(name, **options)


def check_network(name: object) -> str:
    """Return `name` if `build` can make a network of this name. Raises InputError otherwise.

    >>> check_network("timm/resnet18")
    'timm/resnet18'
    """
    if isinstance(name, str) and (
        name in NETWORKS or name in TRANSFER or re.fullmatch(_TIMM + r"[a-z0-9_]+(\.[a-z0-9_]+)?", name)
    ):
        return name
    known = ", ".join(sorted([*NETWORKS, *TRANSFER]))
    raise InputError(f"expected the name of a network ({known}, or {_TIMM}NAME), got {name!r}; pick one of these names")


def build(name: str, *, input_shape: Shape, num_classes: int) -> nn.Module:
    """Make a network with random weights, in evaluation mode. The weights come from torch's global random generator.

    Parameters
    ----------
    name
        The name of the network: a key of `NETWORKS`, or a key of `TRANSFER` (with the extra `transfer`), or "timm/NAME"
        for an architecture of timm (with the extra `timm`). All weights are random. To load the pretrained weights of a
        network in `TRANSFER`, call :func:`load_pretrained`.
    input_shape, num_classes
        (C, H, W) and K. Images are float32 in [0, 1]; the network normalises them itself and returns logits (B, K).

    Raises
    ------
    InputError
        Raised for an unknown name, and for a shape that the network can't take. Raises MissingExtraError if the library
        of a network is missing.

    Examples
    --------
    >>> import torch
    >>> net = build("fashion-cnn", input_shape=(1, 28, 28), num_classes=10)
    >>> tuple(net(torch.zeros(2, 1, 28, 28)).shape)
    (2, 10)
    """
    check_network(name)
    shape = tuple(int(size) for size in input_shape)
    if len(shape) != 3 or min(shape) < 1:
        raise InputError(f"expected input_shape= as (channels, height, width), got {input_shape}; e.g. (1, 28, 28)")
    if not 2 <= int(num_classes) <= 32767:
        raise InputError(f"expected num_classes= from 2 to 32,767, got {num_classes}; count the classes")
    size = (shape[0], shape[1], shape[2])
    if name in NETWORKS:
        body = NETWORKS[name](size, int(num_classes))
    elif name in TRANSFER:
        body = transfer(name, size, int(num_classes))
    else:
        body = _timm(name.removeprefix(_TIMM), size, int(num_classes))
    return nn.Sequential(Normalise(shape[0]), body).eval()


@cache
def check_fits(name: str, *, input_shape: Shape, num_classes: int) -> None:
    """Raise the errors of `build` for a network that cannot take such images or classes. No weights are made.

    >>> check_fits("mlp", input_shape=(1, 8, 8), num_classes=10)
    """
    with torch.device("meta"):
        build(name, input_shape=input_shape, num_classes=num_classes)
