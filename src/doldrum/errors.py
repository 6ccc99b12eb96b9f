"""Exceptions: one base and its few children. Each message reads "expected X, got Y; do Z"."""

from __future__ import annotations


class DoldrumError(Exception):
    """Base of every error raised on purpose; catch it to catch them all."""


class InputError(DoldrumError, ValueError):
    """The caller's arguments, images or files are not what was asked for (exit code 2)."""


class ClassifierError(DoldrumError, ValueError):
    """A classifier does not keep its contract: shape, classes, finite scores, bounds (exit code 2)."""


class EndpointError(ClassifierError):
    """A model at an address gave no answer in time; the same again may do (exit code 1)."""


class MissingExtraError(DoldrumError, ImportError):
    """A library that an optional extra brings is not installed (exit code 2)."""


class DatasetNotFoundError(DoldrumError, FileNotFoundError):
    """A data set is not on this machine; the message says how to get it (exit code 2)."""


class EngineError(DoldrumError, RuntimeError):
    """An engine can't be built for this classifier here; another may be (exit code 2)."""


class WorkerError(EngineError):
    """A worker died, did not start or is not like this process; the same again may do (exit code 1)."""


class SandboxError(DoldrumError, RuntimeError):
    """Work in a confined process didn't come to an answer: it exceeded a limit, raised (exit code 2) or died (1).

    `reason` is "memory", "time", "disk", "output", "died", "nonsense" or "raised". Whether the file under audit or the machine ended one
    that died can't be told: the same again goes on, and says so a second time if it was the file.
    """

    def __init__(self, message: str, *, reason: str = "died") -> None:
        super().__init__(message)
        self.reason = reason


def missing_extra(module: str, extra: str) -> MissingExtraError:
    """The error for an absent optional library.

    >>> str(missing_extra("onnxruntime", "onnx"))
    "expected the library 'onnxruntime', got none; run: pip install 'doldrum[onnx]'"
    """
    return MissingExtraError(f"expected the library '{module}', got none; run: pip install 'doldrum[{extra}]'")
