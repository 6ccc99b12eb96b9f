"""All exceptions of doldrum. Each message has the form "expected X, got Y; do Z"."""

from __future__ import annotations


class DoldrumError(Exception):
    """Base class of all errors that doldrum raises on purpose. Catch DoldrumError to catch all errors of doldrum."""


class InputError(DoldrumError, ValueError):
    """The caller's arguments, images or files are not as expected (exit code 2)."""


class ClassifierError(DoldrumError, ValueError):
    """A classifier returns something unexpected, such as a wrong shape, number of classes or range (exit code 2)."""


class EndpointError(ClassifierError):
    """A model at an address gave no answer in time. The exit code is 1, because the same command may succeed if it is
    run again."""


class MissingExtraError(DoldrumError, ImportError):
    """A library that belongs to an optional extra of doldrum is not installed (exit code 2)."""


class DatasetNotFoundError(DoldrumError, FileNotFoundError):
    """A data set is not on this machine; the message says how to get it (exit code 2)."""


class EngineError(DoldrumError, RuntimeError):
    """An engine can't run this classifier on this machine, but another engine may (exit code 2)."""


class WorkerError(EngineError):
    """A worker process died, did not start, or has other versions than this process. The exit code is 1, because the
    same command may succeed if it is run again."""


class StorageError(DoldrumError, RuntimeError):
    """A storage address gave no answer, or its content changed while it was read. The exit code is 1, because the same
    command may succeed if it is run again."""


class SandboxError(DoldrumError, RuntimeError):
    """Work in a confined process gave no result. Either the work exceeded a limit or raised an error (exit code 2), or
    the process died (exit code 1).

    `reason` is "memory", "time", "disk", "output", "died", "closed", "nonsense" or "raised". If the process died, the
    cause may be the file under audit or the machine. Run the same command again to continue. If the file was the cause,
    the process dies again in the new run.
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
    """Whether this error means that memory is short. Each library has its own exception for a lack of memory.

    >>> is_lack_of_memory(MemoryError()), is_lack_of_memory(RuntimeError("std::bad_alloc")), is_lack_of_memory(RuntimeError("shapes"))
    (True, True, False)
    """
    return isinstance(error, MemoryError) or any(word in str(error) for word in _NO_MEMORY)


def check_memory_left(error: BaseException) -> None:
    """Raise MemoryError if a library's error means that memory is short.

    Call this first when you handle a library's error, so that a lack of memory is not reported as a broken file or a
    wrong shape. Torch's error for a lack of GPU memory is raised unchanged.

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
    """Make the error for an optional library that is missing or does not load. Raises MemoryError if the library could
    not be imported because memory was short.

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
