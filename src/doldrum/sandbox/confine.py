"""Apply the limits to the calling process, as far as the platform supports them."""

from __future__ import annotations

import math
import os
import sys
import sysconfig
from collections.abc import Mapping
from typing import Any

from doldrum.sandbox import landlock, seccomp

__all__ = ["confine", "confinement"]

# What Python and its libraries read when they start; nothing of a user's.
_SYSTEM = (
    "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share/zoneinfo", "/usr/local/cuda", "/opt/cuda",
    "/etc/ld.so.cache", "/etc/localtime", "/etc/mime.types", "/etc/os-release", "/dev/urandom", "/dev/random", "/sys",
    "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/version", "/proc/sys", "/proc/filesystems",
    "/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-uvm",
)  # fmt: skip
_NETWORK = (
    "/etc/ssl", "/etc/pki", "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/services", "/etc/gai.conf",
    "/etc/host.conf", "/usr/share/ca-certificates", "/run/systemd/resolve",
)  # fmt: skip


def confinement() -> dict[str, Any]:
    """What this platform enforces on a confined process, as a dict whose values are `{"enforced": bool, "by": str}`.

    Keys: network, programs, writes, reads, memory, time, files, secrets.

    >>> confinement()["time"]["enforced"]
    True
    """
    filtered, level = seccomp.available(), landlock.version()
    linux, limits = sys.platform.startswith("linux"), _has_rlimits()
    lock = f"landlock {level}"
    nothing = "nothing enforces this on this system; use a container or a separate machine"

    def entry(enforced: object, by: str) -> dict[str, Any]:
        return {"enforced": bool(enforced), "by": by if enforced else nothing}

    return {
        "network": entry(filtered, "a seccomp filter" + (f" and {lock}" if level >= 4 else "")),
        "programs": entry(filtered, "a seccomp filter"),
        "writes": entry(level, lock),
        "reads": entry(level, lock),
        "memory": entry(limits, "RLIMIT_DATA and a regular check of the resident memory" if linux else "RLIMIT_AS"),
        "time": entry(True, "the parent's clock" + (" and RLIMIT_CPU" if limits else "")),
        "files": entry(limits, "RLIMIT_NOFILE, RLIMIT_FSIZE and a regular check of the size of its folders"),
        "secrets": entry(True, "a separate set of environment variables"),
    }


def confine(limits: Mapping[str, Any], *, temporary: str, path: list[str], parent: int) -> None:
    """Confine this process permanently, before it has a second thread. Raises OSError if the kernel has a feature but
    refuses to apply it.

    `limits` is `Limits.as_dict()`, `temporary` is the process's own folder, and `path` holds the folders from which the
    process imports modules. On Linux, this process ends when the process `parent` ends.
    """
    _set_rlimits(limits)
    if sys.platform.startswith("linux"):
        _end_with_parent(parent)
        _drop_capabilities()
    write = [*limits["write"], temporary]
    if landlock.version():
        read = limits["read"]
        if read is not None:
            python = [sys.prefix, sys.base_prefix, *sysconfig.get_paths().values(), *path]
            more = _NETWORK if limits["network"] else ()
            read = [os.path.realpath(p) for p in dict.fromkeys([*read, *python, *_SYSTEM, *more])]
        landlock.restrict(write=write, read=read, network=limits["network"])
    if seccomp.available():
        seccomp.install(network=limits["network"])


def _has_rlimits() -> bool:
    try:
        import resource  # noqa: F401
    except ImportError:
        return False
    return True


def _set_rlimits(limits: Mapping[str, Any]) -> None:
    try:
        import resource
    except ImportError:
        return
    linux = sys.platform.startswith("linux")  # elsewhere RLIMIT_DATA leaves out what is mapped
    cpu = math.ceil(limits["seconds"] * (os.cpu_count() or 1)) + 1
    wanted = {
        resource.RLIMIT_DATA if linux else resource.RLIMIT_AS: limits["memory"],
        resource.RLIMIT_CPU: cpu,
        resource.RLIMIT_NOFILE: limits["open_files"],
        resource.RLIMIT_FSIZE: limits["file_bytes"],
        resource.RLIMIT_CORE: 0,
    }
    for which, most in wanted.items():
        hard = resource.getrlimit(which)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        try:
            resource.setrlimit(which, (most, most))
        except (OSError, ValueError):  # macOS refuses some that it names
            if linux:
                raise


def _end_with_parent(parent: int) -> None:
    import ctypes
    import signal

    ctypes.CDLL(None).prctl(1, int(signal.SIGKILL), 0, 0, 0)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(1)  # it ended before we asked


def _drop_capabilities() -> None:
    """Drop all privileges of root except reading and writing files. With all its privileges, root could also read the
    memory of other processes."""
    import ctypes
    import struct

    kept = 1 << 1 | 1 << 2  # DAC_OVERRIDE and DAC_READ_SEARCH, within what landlock allows
    libc = ctypes.CDLL(None, use_errno=True)
    header = struct.pack("=Ii", 0x20080522, 0)
    data = ctypes.create_string_buffer(24)
    if libc.capget(header, data):
        raise OSError(ctypes.get_errno(), "the kernel refused to report capabilities")
    effective, permitted, *_ = struct.unpack("=6I", data.raw)
    if libc.capset(header, struct.pack("=6I", effective & kept, permitted & kept, 0, 0, 0, 0)):
        raise OSError(ctypes.get_errno(), "the kernel refused to drop capabilities")
