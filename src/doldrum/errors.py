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


class StorageError(DoldrumError, RuntimeError):
    """What is at an address gave no answer, or changed while it was read; the same again may do (exit code 1)."""


class SandboxError(DoldrumError, RuntimeError):
    """Work in a confined process didn't come to an answer: it exceeded a limit, raised (exit code 2) or died (1).

    `reason` is "memory", "time", "disk", "output", "died", "closed", "nonsense" or "raised". Whether the file under audit or the machine ended one
    that died cannot be told. Run the same command again to continue: if it was the file, it ends the same way again.
    """

    def __init__(self, message: str, *, reason: str = "died") -> None:
        super().__init__(message)
        self.reason = reason


_NO_MEMORY = (
    "can't allocate memory",
    "Cannot allocate memory",
    "Failed to allocate memory",
    "bad_alloc",
    "bad allocation",
    "failed to map segment from shared object",
)


def is_lack_of_memory(error: BaseException) -> bool:
    """Whether this error is a lack of memory, which each library says with an exception of its own.

    >>> is_lack_of_memory(MemoryError()), is_lack_of_memory(RuntimeError("std::bad_alloc")), is_lack_of_memory(RuntimeError("shapes"))
    (True, True, False)
    """
    return isinstance(error, MemoryError) or any(word in str(error) for word in _NO_MEMORY)


def check_memory_left(error: BaseException) -> None:
    """Raise MemoryError if this error of a library's is a lack of memory.

    To be called first where a library's errors are explained, so that none is taken for a broken file or a wrong shape. What torch
    raises for a GPU's memory is raised as it is.

    >>> check_memory_left(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."))
    Traceback (most recent call last):
    MemoryError: DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes.
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        raise error
    if is_lack_of_memory(error):
        told = next(line.strip() for line in str(error).splitlines() if any(word in line for word in _NO_MEMORY))
        raise MemoryError(told) from error


def missing_extra(module: str, extra: str, error: Exception | None = None) -> MissingExtraError:
    """The error for an optional library that is absent or, by what its import raised, doesn't load; MemoryError if memory was short.

    >>> str(missing_extra("onnxruntime", "onnx"))
    "expected the library 'onnxruntime', got none; run: pip install 'doldrum[onnx]'"
    """
    if error is not None:
        check_memory_left(error)
    if error is None or isinstance(error, ModuleNotFoundError):
        return MissingExtraError(f"expected the library '{module}', got none; run: pip install 'doldrum[{extra}]'")
    why = str(error).strip().partition("\n")[0][:200]
    return MissingExtraError(
        f"expected the library '{module}' to load, got {why}; run: pip install --force-reinstall 'doldrum[{extra}]'"
    )
