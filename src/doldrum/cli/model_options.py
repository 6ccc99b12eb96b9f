"""The command-line options about the model, which many commands share. The options are declared here, and `takes_model`
adds them to a command."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from doldrum.errors import InputError

__all__ = ["MODEL", "height_and_width", "numbers", "takes_model"]

MODEL = (
    "The model: an ONNX, OpenVINO or TensorFlow Lite file, weights (with --arch), a Hugging Face folder, a doldrum checkpoint, "
    "or an address http(s)://..."
)
"""The help text for the argument that names the model."""

Hours = Annotated[float, typer.Option(help="Time limit for the confined process, in hours.")]

_OPTIONS: dict[str, tuple[Any, Any]] = {
    "arch": (str | None, typer.Option(help="The network's architecture, if the file holds only weights.")),
    "outputs": (str | None, typer.Option(help="What the model returns: logits, probabilities or labels.")),
    "num_classes": (int | None, typer.Option(help="Number of classes, if the file does not say it.")),
    "output_name": (str | None, typer.Option(help="Name of the output to use, if the model has several.")),
    "mean": (str | None, typer.Option(help="Mean that the model subtracts, e.g. 0.485,0.456,0.406.")),
    "std": (str | None, typer.Option(help="Standard deviation that the model divides by, e.g. 0.229,0.224,0.225.")),
    "size": (str | None, typer.Option(help="Size of the model's inputs, e.g. 224 or 224x192 (height x width).")),
    "channels": (str | None, typer.Option(help="Channels of the model's inputs: rgb, bgr or grey.")),
    "scale": (
        float | None,
        typer.Option(
            help="Value of a white pixel before --mean and --std: 1 (default), or 255 for a model that takes pixels from 0 to 255."
        ),
    ),
    "resize": (
        str | None,
        typer.Option(
            help="How images of another size are fitted: stretch (the default), or crop, which scales and then crops."
        ),
    ),
    "labels": (
        str | None,
        typer.Option(
            help="A text file with the names of the classes, one name per line, in the order of the class numbers."
        ),
    ),
    "trust_code": (
        bool,
        typer.Option("--trust-code", help="Allow the model to run its own code, in the confined process."),
    ),
    "trust_pickle": (
        bool,
        typer.Option("--trust-pickle", help="Allow the model to be unpickled, in the confined process."),
    ),
    "memory": (float | None, typer.Option(help="Memory limit of the model's process, in GiB. Default: 6.")),
    "endpoint_body": (
        str | None,
        typer.Option(help="For a model at an address: send images as png (8 bits, the default) or npy (exact)."),
    ),
    "endpoint_batch": (
        int | None,
        typer.Option(help="For a model at an address: number of images per request. Default: 16."),
    ),
    "endpoint_timeout": (
        float | None,
        typer.Option(help="For a model at an address: time limit of a request, in seconds. Default: 30."),
    ),
    "endpoint_retries": (
        int | None,
        typer.Option(
            help="For a model at an address: how many times to retry if there is no answer or the server is busy. Default: 4."
        ),
    ),
    "endpoint_per_second": (
        float | None,
        typer.Option(help="For a model at an address: the largest number of requests per second."),
    ),
    "endpoint_queries": (
        int | None,
        typer.Option(help="For a model at an address: the largest number of images to send in one run."),
    ),
    "endpoint_token": (
        str | None,
        typer.Option(
            help="Name of the environment variable that holds a bearer token to send (over https, or to this machine)."
        ),
    ),
}


def takes_model(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add an option to a command for each field of :class:`doldrum.opening.ModelSettings`, except for the model itself.

    In the command's signature, these options replace the parameter `asked`. The parameter `asked` gets the parsed
    values of the given options, by field name.
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
    """Return the options that were given, with their texts converted to values. Raises InputError for a text that
    cannot be converted."""
    given = {name: value for name, value in asked.items() if value is not None and value is not False}
    for name in ("mean", "std"):
        if name in given:
            given[name] = numbers(name, given[name])
    if "size" in given:
        given["size"] = height_and_width(given["size"])
    return given


def numbers(name: str, text: str) -> tuple[float, ...]:
    """The numbers in a comma-separated text; InputError for any other text."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(
            f"expected --{name} as numbers separated by commas, got {text!r}; e.g. 0.485,0.456,0.406"
        ) from error


def height_and_width(text: str) -> tuple[int, int]:
    """The height and width in the text of --size; InputError for any other text."""
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(p.isdigit() for p in parts):
        raise InputError(f"expected --size as 224 or 224x192 (height x width), got {text!r}; e.g. --size 224x192")
    return int(parts[0]), int(parts[-1])
