"""A confined process, from the parent's side: start it, check its limits, read its frames and end it. Nothing that the process sends is trusted."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from typing import IO, Any

from doldrum.errors import (
    ClassifierError,
    DatasetNotFoundError,
    EndpointError,
    EngineError,
    InputError,
    MissingExtraError,
    SandboxError,
)
from doldrum.sandbox.folder import OwnFolder, remove_own
from doldrum.sandbox.frames import BLOCK, MESSAGE, Frame, Nonsense, read_frame, write_frame
from doldrum.sandbox.limits import Limits
from doldrum.sandbox.shares import WORKERS
from doldrum.sandbox.watch import Watch

__all__ = ["Confined", "end_confined", "raised"]

_PASSED = frozenset(
    [
        "PATH",
        "LANG",
        "LANGUAGE",
        "TZ",
        "LD_LIBRARY_PATH",
        "DYLD_LIBRARY_PATH",
        "CUDA_VISIBLE_DEVICES",
        "CUDA_HOME",
        "SYSTEMROOT",
        "WINDIR",
        "COMSPEC",
        "PYTHONHASHSEED",
        "PYTHONWARNINGS",
        "DOLDRUM_THREADS",
    ]
)
_PASSED_STARTS = ("LC_", "OMP_", "MKL_", "OPENBLAS_", "KMP_", "NUMEXPR_", "TORCH_NUM_")
_OURS = {
    e.__name__: e
    for e in (InputError, ClassifierError, EndpointError, MissingExtraError, DatasetNotFoundError, EngineError)
}
_MESSAGE = 1 << 20  # bytes of one message
_TAIL = 4096
_NO_MEMORY = (b"bad_alloc", b"MemoryError", b"Memory allocation still failed")  # OpenBLAS says the last
_LITTLE = 1 << 29  # bytes of memory: torch takes 150 MiB to load, ONNX Runtime and OpenVINO 100
_STAYS = 1e7  # seconds of processor time and core
# This very copy of the package, by its folder: where two are installed (a checkout beside an editable one), a search of the path finds the
# other; and a folder put before the standard library's could hide parts of it.
_SOURCE = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("doldrum", sys.argv[2] + "/__init__.py")
sys.modules["doldrum"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["doldrum"])
from doldrum.sandbox.child import main
main(sys.argv[1])
"""


_there: weakref.WeakSet[Confined] = weakref.WeakSet()
_starting = threading.Lock()


def end_confined() -> None:
    """End all confined processes of this process, which is about to exit without Python's cleanup, and remove their folders.

    If a confined process is just being started, the function first waits for it, because this start could make the
    folder again. After this call, no confined process can be started.
    """
    _starting.acquire()
    for process in list(_there):
        process.close()
    remove_own()


class Confined:
    """A confined process that runs `function(argument, tell)`. The method `frame` waits for the next frame from this
    process.

    `helped` is the number of requests that the function may send out at a time. Each such request is a frame of the
    kind BLOCK, and the method `write` sends the answer (:class:`doldrum.sandbox.outside.Outside`). If `asked` is True,
    the process stays alive and answers requests that the parent writes (:class:`doldrum.sandbox.service.Service`). The
    method `allow` restarts the time limit. The methods raise the errors that :func:`run_confined` describes.
    """

    def __init__(self, function: str, argument: Any, limits: Limits, *, asked: bool = False, helped: int = 0) -> None:
        module, _, name = function.partition(":")
        if not all(part.isidentifier() for part in module.split(".")) or not name.isidentifier():
            raise InputError(f"expected a function as 'package.module:name', got {function!r}; name one in this form")
        self.limits = limits
        with _starting:
            self._begin(function, argument, asked=asked, helped=helped)

    def _begin(self, function: str, argument: Any, *, asked: bool, helped: int) -> None:
        limits = self.limits
        self._folder = OwnFolder()
        temporary = self._folder.path
        job = {"function": function, "argument": argument, "limits": limits.as_dict(), "asked": asked, "helped": helped}
        if asked:  # it stays for as long as there is somebody to ask, and `allow` bounds each wait
            job["limits"]["seconds"] = _STAYS
        job["parent"] = os.getpid()
        job["path"] = [os.path.abspath(entry) for entry in sys.path if entry]
        try:
            text = json.dumps(job)
        except (TypeError, ValueError) as error:
            self._folder.remove()
            raise InputError(f"expected an argument that JSON can hold, got one that it can't ({error})") from error
        (Path(temporary) / "job.json").write_text(text)
        self.process = _start(temporary, limits, asked=asked or helped > 0)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._frames: queue.Queue[Frame | Nonsense | None] = queue.Queue(maxsize=8)
        self._said = _Said(self.process.stderr)
        self._threads = [
            threading.Thread(target=_read_frames, args=(self.process.stdout, limits.reply, self._frames), daemon=True),
            threading.Thread(target=self._said.read, daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        self._watch = Watch(self.process.pid, limits, [*limits.write, temporary])
        self._messages, self._over, self._ending = 0, False, threading.Lock()
        self._owner = os.getpid()
        _there.add(self)

    def frame(self) -> Frame:
        """Wait for the next frame of the process: a message, a value, a block or an error. Raises SandboxError if a
        limit is exceeded, or if the process ends or sends invalid data."""
        while True:
            exceeded = self._watch.exceeded() or ("output" if self._said.total > self.limits.messages else None)
            if exceeded:
                raise _exceeded(exceeded, self.limits)
            try:
                frame = self._frames.get(timeout=0.05)
            except queue.Empty:
                continue
            if frame is None:
                _end_soon(self.process)
                self._threads[1].join(1)  # its last words may still be on their way
                raise _died(self.process.returncode, self._said, self._watch, self.limits)
            if isinstance(frame, Nonsense):
                raise SandboxError(f"expected an answer from the confined process, got {frame}", reason="nonsense")
            if frame.kind == MESSAGE:
                self._messages += frame.size + 64  # an empty message costs us something too
                if frame.size > _MESSAGE or self._messages > self.limits.messages:
                    raise _exceeded("output", self.limits)
            return frame

    def write(self, value: Any, data: Any = b"") -> None:
        """Write one request or answer, with raw bytes; BrokenPipeError if the process is gone."""
        stream: Any = self.process.stdin
        write_frame(stream, BLOCK, value, data)

    def allow(self, seconds: float) -> None:
        """Restart the time limit: the process may run for `seconds` from now on."""
        self._watch.allow(seconds)

    def kill(self) -> None:
        """End the process and everything that it started. After `kill`, the method `frame` raises an error."""
        with self._ending:  # once: when it is gone, its number may be another process's
            if not self._over:
                self._over = True
                _end(self.process)

    def close(self) -> None:
        """End the process, and remove its folder. Calling `close` twice is safe. In a forked copy of the parent, `close` does nothing."""
        if os.getpid() != self._owner:
            return
        self.kill()  # before its folder goes
        for _ in range(100):  # they end with the pipes, unless a process that nothing kept from starting holds those
            with contextlib.suppress(queue.Empty):
                while True:
                    self._frames.get_nowait()
            self._threads[0].join(0.02)
            if not self._threads[0].is_alive():
                break
        self._threads[1].join(1)
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
        self._folder.remove()


def _start(temporary: str, limits: Limits, *, asked: bool) -> subprocess.Popen[bytes]:
    names = {*_PASSED, *limits.environment}
    environment = {n: v for n, v in os.environ.items() if n in names or n.startswith(_PASSED_STARTS)}
    environment |= dict.fromkeys(("HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP", "XDG_CACHE_HOME"), temporary)
    environment |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    # A choice of engine kept in its temporary folder would be gone with it: nothing is kept, and the best guess is taken each time.
    environment["DOLDRUM_ENGINES"] = os.path.join(os.devnull, "engines")
    # "-I" leaves out the working folder and PYTHON* variables; the path to import from is set by the job instead.
    home = str(Path(__file__).resolve().parents[1])
    return subprocess.Popen(
        [sys.executable, "-I", "-B", "-X", "utf8", "-c", _SOURCE, temporary, home],
        stdin=subprocess.PIPE if asked else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        cwd=temporary,
        start_new_session=True,
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)  # where no filter keeps it from starting others, they go too
        else:
            process.kill()
    process.wait()


def _read_frames(stream: Any, most: int, frames: queue.Queue[Any]) -> None:
    try:
        with stream:
            while (frame := read_frame(stream, most)) is not None:
                frames.put(frame)
        frames.put(None)
    except Nonsense as nonsense:
        frames.put(nonsense)
    except (OSError, ValueError):
        frames.put(None)


class _Said:
    """Keeps the end of the text that the process printed, and counts the bytes of all its printed text."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream, self.tail, self.total = stream, b"", 0

    def read(self) -> None:
        with contextlib.suppress(OSError, ValueError), self.stream:
            while data := self.stream.read1(1 << 16):  # pyright: ignore[reportAttributeAccessIssue]
                self.tail = (self.tail + data)[-_TAIL:]
                self.total += len(data)


def _end_soon(process: subprocess.Popen[bytes]) -> None:
    """Wait a moment for a process that has closed its pipe, so that its exit code shows how it ended."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=2)


def _exceeded(what: str, limits: Limits) -> SandboxError:
    bound = {
        "memory": f"{limits.memory / (1 << 20):.0f} MiB of memory",
        "time": f"{limits.seconds:g} seconds",
        "disk": f"{limits.disk / (1 << 20):.0f} MiB of disk",
        "output": f"{limits.messages / (1 << 20):.0f} MiB of messages",
    }[what]
    raised = "memory=" if what == "memory" else "the limit"  # an argument becomes a flag at the command line
    if what == "memory" and WORKERS in os.environ:
        raised = "memory= or use fewer workers="
    return SandboxError(
        f"expected work that takes at most {bound}, got more, so doldrum stopped the process; raise {raised}, or do not trust the file",
        reason=what,
    )


def _died(code: int | None, said: _Said, watch: Watch, limits: Limits) -> SandboxError:
    if (what := watch.exceeded()) is not None:
        return _exceeded(what, limits)
    if any(word in said.tail for word in _NO_MEMORY):
        return _exceeded("memory", limits)
    if code is not None and code < 0:
        try:
            how = signal.Signals(-code).name
        except ValueError:
            how = f"signal {-code}"
        if how == "SIGXCPU":
            return _exceeded("time", limits)
    else:
        how = "no answer" if code is None else f"exit code {code}"
    lines = [line for line in said.tail.decode("utf-8", "replace").splitlines() if line.strip()]
    told = [line for line in lines if "[W:onnxruntime:" not in line]  # its notices are not why anything ends
    last = shown(told[-1].strip() if told else "", most=300)
    tail = f" (its last message: {last})" if last else ""
    why = "somebody stopped it, or the machine was short of memory" if how in ("SIGKILL", "SIGTERM") else "it crashed"
    return SandboxError(
        f"expected an answer from the confined process, got none, because the process ended with {how}{tail}: {why}; run the same command again to continue. If it ends in this way again, do not trust the file{_little_memory(limits)}",
        reason="died",
    )


def raised(value: Any, limits: Limits) -> Exception:
    """Convert the value of an error frame to an exception."""
    if not isinstance(value, dict) or not all(isinstance(value.get(key), str) for key in ("kind", "text")):
        return SandboxError(
            "expected an answer from the confined process, got an error without a text", reason="nonsense"
        )
    kind, text = value["kind"], shown(value["text"], most=2000)
    if kind == "MemoryError":
        return _exceeded("memory", limits)
    if kind == "full disk":
        return OSError(errno.ENOSPC, text)
    if kind in _OURS:
        return _OURS[kind](text)
    return SandboxError(
        f"expected the work to succeed in the confined process, got {text}; check the file, and if it is intact, report this error"
        f"{_little_memory(limits)}",
        reason="raised",
    )


def _little_memory(limits: Limits) -> str:
    """Advice to add to an error message if the memory limit is small. A library that has too little memory to load may raise an error other than MemoryError."""
    if limits.memory >= _LITTLE:
        return ""
    return f". The memory limit of {limits.memory / (1 << 20):.0f} MiB is too small for the libraries and the model: raise memory="


def shown(text: str, *, most: int) -> str:
    """Text that an attacker may have written, as one line of limited length. Characters that cannot be printed are escaped.

    >>> shown("a\\x1b[31m" + "b" * 100, most=12)
    'a\\\\x1b[31mbb…'
    """
    line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text[:most])
    return line if len(line) <= most and len(text) <= most else line[: most - 1] + "…"
