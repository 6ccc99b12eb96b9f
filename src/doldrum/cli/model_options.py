"""What every job on a model that somebody else made asks about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any

import typer

from doldrum.errors import InputError

__all__ = ["asked", "height_and_width", "numbers"]

Arch = Annotated[str | None, typer.Option(help="The network, where the file holds weights alone.")]
Outputs = Annotated[str | None, typer.Option(help="What the model returns: logits, probabilities or labels.")]
NumClasses = Annotated[int | None, typer.Option(help="Number of classes, where the file doesn't say it.")]
Mean = Annotated[str | None, typer.Option(help="Mean that the model subtracts, e.g. 0.485,0.456,0.406.")]
Std = Annotated[str | None, typer.Option(help="Standard deviation that it divides by, e.g. 0.229,0.224,0.225.")]
Size = Annotated[str | None, typer.Option(help="Size of its inputs, e.g. 224 or 224x192 (height x width).")]
Channels = Annotated[str | None, typer.Option(help="Order of its channels: rgb, bgr or grey.")]
Resize = Annotated[str, typer.Option(help="Images of another size are stretched, or scaled and cut: stretch, crop.")]
Labels = Annotated[str | None, typer.Option(help="A text file: the names of the classes, one a line, in order.")]
TrustCode = Annotated[bool, typer.Option("--trust-code", help="Let the model run its own code, confined.")]
TrustPickle = Annotated[bool, typer.Option("--trust-pickle", help="Let the model be unpickled, confined.")]
EndpointBody = Annotated[str, typer.Option(help="A model at an address: images as png (8 bits) or npy (exact).")]
EndpointBatch = Annotated[int, typer.Option(help="Images a request.")]
EndpointTimeout = Annotated[float, typer.Option(help="Seconds for a request.")]
EndpointRetries = Annotated[int, typer.Option(help="Further tries where there is no answer, or the server is busy.")]
EndpointPerSecond = Annotated[float | None, typer.Option(help="Requests a second, at most.")]
EndpointQueries = Annotated[int | None, typer.Option(help="Images to send in one run, at most.")]
EndpointToken = Annotated[
    str | None,
    typer.Option(help="Environment variable with a secret to send as a bearer token (https, or this machine)."),
]
Memory = Annotated[float, typer.Option(help="Most GiB of memory.")]
Hours = Annotated[float, typer.Option(help="Most hours.")]


def asked(given: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a command's options, as typed, that every job's settings have (`JobSettings`); InputError for what can't be read."""
    from doldrum.confined.settings import JobSettings

    found = {field.name: given[field.name] for field in fields(JobSettings)}
    read = {name: numbers(name, found[name]) for name in ("mean", "std")}
    return found | read | {"out": str(found["out"]), "size": height_and_width(found["size"])}


def numbers(name: str, text: str | None) -> tuple[float, ...] | None:
    """The numbers between commas; InputError for anything else."""
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(
            f"expected --{name} as numbers between commas, got {text!r}; e.g. 0.485,0.456,0.406"
        ) from error


def height_and_width(text: str | None) -> tuple[int, int] | None:
    """--size as height and width; InputError for anything else."""
    if text is None:
        return None
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(p.isdigit() for p in parts):
        raise InputError(f"expected --size as 224 or 224x192 (height x width), got {text!r}")
    return int(parts[0]), int(parts[-1])
