"""What every command asks about a model: the options are declared here, once, and `takes_model` gives them to a command."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from doldrum.errors import InputError

__all__ = ["MODEL", "height_and_width", "numbers", "takes_model"]

MODEL = (
    "The model: an ONNX, OpenVINO or TensorFlow Lite file, weights (with --arch), a folder of Hugging Face's, a checkpoint of doldrum's, "
    "or an address http(s)://..."
)
"""Help for a command's model."""

Hours = Annotated[float, typer.Option(help="Most hours.")]

_OPTIONS: dict[str, tuple[Any, Any]] = {
    "arch": (str | None, typer.Option(help="The network, where the file holds weights alone.")),
    "outputs": (str | None, typer.Option(help="What the model returns: logits, probabilities or labels.")),
    "num_classes": (int | None, typer.Option(help="Number of classes, where the file doesn't say it.")),
    "output_name": (str | None, typer.Option(help="Name of the output that counts, where the model has several.")),
    "mean": (str | None, typer.Option(help="Mean that the model subtracts, e.g. 0.485,0.456,0.406.")),
    "std": (str | None, typer.Option(help="Standard deviation that it divides by, e.g. 0.229,0.224,0.225.")),
    "size": (str | None, typer.Option(help="Size of its inputs, e.g. 224 or 224x192 (height x width).")),
    "channels": (str | None, typer.Option(help="Order of its channels: rgb, bgr or grey.")),
    "scale": (
        float | None,
        typer.Option(
            help="What a white pixel is before --mean and --std: 1 (default), or 255 for a model of 0 to 255."
        ),
    ),
    "resize": (
        str | None,
        typer.Option(help="Images of another size are stretched (stretch, the default), or scaled and cut (crop)."),
    ),
    "labels": (str | None, typer.Option(help="A text file: the names of the classes, one a line, in order.")),
    "trust_code": (bool, typer.Option("--trust-code", help="Let the model run its own code, confined.")),
    "trust_pickle": (bool, typer.Option("--trust-pickle", help="Let the model be unpickled, confined.")),
    "memory": (float | None, typer.Option(help="Most GiB of memory for the model's process; 6.")),
    "endpoint_body": (
        str | None,
        typer.Option(help="A model at an address: images as png (8 bits, the default) or npy (exact)."),
    ),
    "endpoint_batch": (int | None, typer.Option(help="Images a request; 16.")),
    "endpoint_timeout": (float | None, typer.Option(help="Seconds for a request; 30.")),
    "endpoint_retries": (
        int | None,
        typer.Option(help="Further tries where there is no answer, or the server is busy; 4."),
    ),
    "endpoint_per_second": (float | None, typer.Option(help="Requests a second, at most.")),
    "endpoint_queries": (int | None, typer.Option(help="Images to send in one run, at most.")),
    "endpoint_token": (
        str | None,
        typer.Option(help="Environment variable with a secret to send as a bearer token (https, or this machine)."),
    ),
}


def takes_model(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command with an option for each field of :class:`doldrum.opening.ModelSettings` but the model itself.

    They stand where its parameter `asked` stood, which gets those that were given, read, by their fields' names.
    """
    own = inspect.signature(command, eval_str=True).parameters
    parameters: list[inspect.Parameter] = []
    for name, parameter in own.items():
        if name != "asked":
            parameters.append(parameter)
            continue
        for option, (kind, about) in _OPTIONS.items():
            made = inspect.Parameter(
                option,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=False if kind is bool else None,
                annotation=Annotated[kind, about],
            )
            parameters.append(made)

    def run(**given: Any) -> Any:
        asked = {name: given.pop(name) for name in _OPTIONS}
        return command(asked=_read(asked), **given)

    run.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportFunctionMemberAccess]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    run.__doc__, run.__name__, run.__module__ = command.__doc__, command.__name__, command.__module__
    return run


def _read(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given, as their fields want them; InputError for what can't be read."""
    given = {name: value for name, value in asked.items() if value is not None and value is not False}
    for name in ("mean", "std"):
        if name in given:
            given[name] = numbers(name, given[name])
    if "size" in given:
        given["size"] = height_and_width(given["size"])
    return given


def numbers(name: str, text: str) -> tuple[float, ...]:
    """The numbers between commas; InputError for anything else."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(
            f"expected --{name} as numbers between commas, got {text!r}; e.g. 0.485,0.456,0.406"
        ) from error


def height_and_width(text: str) -> tuple[int, int]:
    """--size as height and width; InputError for anything else."""
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(p.isdigit() for p in parts):
        raise InputError(f"expected --size as 224 or 224x192 (height x width), got {text!r}; e.g. --size 224x192")
    return int(parts[0]), int(parts[-1])
