"""What a taken-over process would try; called in a confined one."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
import time


def tries(argument, tell):
    """Run each attempt named in argument; how it ended."""
    ends = {}
    for name in argument["names"]:
        try:
            ends[name] = f"did {ATTEMPTS[name](argument)}"
        except (OSError, ValueError) as error:
            ends[name] = type(error).__name__
    return ends


def _socket(kind):
    import socket

    def attempt(argument):
        with socket.socket(
            getattr(socket, kind), socket.SOCK_STREAM if kind != "AF_NETLINK" else socket.SOCK_RAW
        ) as made:
            return made.fileno()

    return attempt


def _write(argument):
    with open(argument["outside"], "w") as file:
        return file.write("canary")


def _write_inside(argument):
    with open(os.path.join(argument["inside"], "made"), "w") as file:
        return file.write("canary")


def _run(argument):
    import subprocess

    return subprocess.run(["/bin/true"], check=True).returncode


def _clone_raw(argument):
    """clone(SIGCHLD) behind the C library's back: a new process."""
    libc = ctypes.CDLL(None, use_errno=True)
    pid = libc.syscall(56 if os.uname().machine == "x86_64" else 220, 17, 0, 0, 0, 0)
    if pid == 0:
        os._exit(0)
    if pid < 0:
        raise OSError(ctypes.get_errno(), "clone")
    os.waitpid(pid, 0)
    return pid


def _execve_raw(argument):
    libc = ctypes.CDLL(None, use_errno=True)
    number = 59 if os.uname().machine == "x86_64" else 221
    arguments = (ctypes.c_char_p * 2)(b"/bin/true", None)
    libc.syscall(number, b"/bin/true", arguments, None)
    raise OSError(ctypes.get_errno(), "execve")


def _io_uring(argument):
    libc = ctypes.CDLL(None, use_errno=True)
    made = libc.syscall(425, 4, ctypes.create_string_buffer(120))
    if made < 0:
        raise OSError(ctypes.get_errno(), "io_uring")
    return made


def _chmod(argument):
    return os.chmod(argument["theirs"], 0o777)


def _read(argument):
    with open(argument["theirs"]) as file:
        return file.read()


def _parents_secrets(argument):
    with open(f"/proc/{os.getppid()}/environ", "rb") as file:
        return len(file.read())


def _kill_parent(argument):
    return os.kill(os.getppid(), 0)


def _limit_parent(argument):
    import resource

    return resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE)


def _more_memory(argument):
    import resource

    return resource.setrlimit(resource.RLIMIT_DATA, (1 << 40, 1 << 40))


def _abort_itself(argument):
    return os.kill(os.getpid(), 0)


def _thread(argument):
    import threading

    done = []
    thread = threading.Thread(target=lambda: done.append(1))
    thread.start()
    thread.join()
    return done


ATTEMPTS = {
    "tcp": _socket("AF_INET"),
    "tcp6": _socket("AF_INET6"),
    "unix socket": _socket("AF_UNIX"),
    "program": _run,
    "fork": lambda argument: os.fork(),
    "clone": _clone_raw,
    "execve": _execve_raw,
    "io_uring": _io_uring,
    "write outside": _write,
    "delete outside": lambda argument: os.unlink(argument["theirs"]),
    "chmod": _chmod,
    "parent's secrets": _parents_secrets,
    "kill parent": _kill_parent,
    "limit parent": _limit_parent,
    "raise limit": _more_memory,
    "read": _read,
    "write inside": _write_inside,
    "signal itself": _abort_itself,
    "thread": _thread,
}


def environment(argument, tell):
    return sorted(os.environ)


def allocate(argument, tell):
    kept = [bytearray(64 << 20) for _ in range(argument >> 26)]
    return len(kept)


def share_memory(argument, tell):
    import mmap

    held = mmap.mmap(-1, argument)  # shared and anonymous: RLIMIT_DATA doesn't count it
    for start in range(0, argument, 1 << 20):
        held[start : start + (1 << 20)] = b"x" * (1 << 20)
    time.sleep(30)
    return len(held)


def loop(argument, tell):
    while True:
        pass


def sleep(argument, tell):
    time.sleep(3600)


def flood(argument, tell):
    while True:
        tell("x" * 10000)


def shout(argument, tell):
    while True:
        os.write(1, b"x" * 65536)


def garbage(argument, tell):
    for fd in range(3, 20):
        try:
            os.write(fd, argument.encode("latin1"))
        except OSError:
            continue
    os._exit(0)


def die(argument, tell):
    print("last words \x1b[31m", file=sys.stderr, flush=True)
    notice = "\x1b[0;93m2026-11-28 [W:onnxruntime:Default, telemetry_1ds.cc:613 operator()] Failed to persist\x1b[m"
    print(notice, file=sys.stderr, flush=True)
    os.kill(os.getpid(), argument)


def crash(argument, tell):
    ctypes.string_at(0)


def package(argument, tell):
    import doldrum

    return doldrum.__file__


def keep_engine(argument, tell):
    from doldrum.engines import remembered

    return remembered.keep("0" * 24, ("eager", "fp32"))


def leave(argument, tell):
    os._exit(argument)


def fill(argument, tell):
    for number in range(1000):
        with open(f"f{number}", "wb") as file:
            file.write(b"x" * argument)
        time.sleep(0.01)


def raises(argument, tell):
    from doldrum import errors

    if argument == "recursion":
        return raises(argument, tell)
    if argument == "full disk":
        raise OSError(errno.ENOSPC, "No space left on device", "\x1b[31mrows")
    if argument == "set":
        return {1}
    if argument == "exit":
        raise SystemExit(3)
    if argument == "long":
        raise ValueError("\x1b[31m\u202e" + "x" * 100_000)
    raise getattr(errors, argument, ValueError)("expected a file, got \x1b[31mred; leave it out")


def big(argument, tell):
    return "x" * argument


def messages(argument, tell):
    for number in range(argument):
        tell({"done": number})
    print("a library prints this")
    return "end"


def infer(argument, tell):
    """Each runtime on the same small model: what a confined audit has to be able to do."""
    import numpy as np

    images = np.linspace(0, 1, 2 * 64, dtype=np.float32).reshape(2, 1, 8, 8)
    given = {}
    import onnxruntime as ort

    session = ort.InferenceSession(argument, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    given["onnxruntime"] = session.run(None, {name: images})[0].tolist()
    tell("onnxruntime")
    import openvino as ov

    # the machine's own default is bf16 or f16 on some
    model = ov.Core().compile_model(argument, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    given["openvino"] = model(images)[0].tolist()
    tell("openvino")
    import torch
    from small_nets import small_net

    torch.set_num_threads(2)
    with torch.inference_mode():
        given["torch"] = small_net()(torch.from_numpy(images)).tolist()
    return given


def asks(argument, tell, ask):
    """The blocks named, sent out; of the second round only the first answer is looked at."""
    big = bytes(argument["size"])

    def requests(count):
        for n in range(count):
            if n == argument.get("fails"):
                raise ValueError("expected more to ask")
            yield {"n": n}, big

    found = []
    for value, data in ask(requests(argument["count"])):
        tell({"done": value["n"], "filler": "x" * 4000})
        found.append([value["n"], len(data)])
    for value, _ in ask(requests(argument["count"])):
        return [*found, value["n"]]
