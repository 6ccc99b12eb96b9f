"""Landlock is a feature of Linux that confines a process to some folders: the process can read and write only in these
folders.

Source: landlock(7); Linux' include/uapi/linux/landlock.h and Documentation/userspace-api/landlock.rst.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

__all__ = ["restrict", "version"]

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the same on every architecture
_EXECUTE, _WRITE, _READ, _READ_DIR = 1, 2, 4, 8
_REMOVE, _MAKE_DIR, _MAKE_FILE, _MAKE_LINK = 16 | 32, 1 << 7, 1 << 8, 1 << 12
_REFER, _TRUNCATE, _IOCTL = 1 << 13, 1 << 14, 1 << 15
_ALL = (0, (1 << 13) - 1, (1 << 14) - 1, (1 << 15) - 1, (1 << 15) - 1, (1 << 16) - 1)  # by version
_ON_FILES = _READ | _WRITE | _EXECUTE | _TRUNCATE | _IOCTL


def _syscall(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"landlock: {os.strerror(ctypes.get_errno())}")
    return int(result)


def version() -> int:
    """The kernel's version of Landlock; 0 if the kernel has no Landlock, or if Landlock is switched off."""
    if not sys.platform.startswith("linux"):
        return 0
    try:
        return _syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    except OSError:
        return 0


def restrict(*, write: Iterable[str], read: Iterable[str] | None, network: bool) -> None:
    """Confine the calling thread, and threads that it starts later, to the folders in `read` and `write` (None: read everywhere).

    Call this function before there are other threads. Newer versions of Landlock also deny TCP (from version 4), ioctl on devices (5), and
    signals to other processes and abstract sockets (6). Raises OSError if the kernel refuses. Paths that do not exist
    are ignored.
    """
    level = version()
    every = _ALL[min(level, 5)]
    net = 3 if level >= 4 and not network else 0
    rules = struct.pack("=QQQ", every, net, 3 if level >= 6 else 0)
    size = 8 if level < 4 else 16 if level < 6 else 24
    ruleset = _syscall(_CREATE, ctypes.create_string_buffer(rules, size), ctypes.c_size_t(size), ctypes.c_uint32(0))
    writing = _WRITE | _READ | _READ_DIR | _REMOVE | _MAKE_DIR | _MAKE_FILE | _MAKE_LINK | _REFER | _TRUNCATE
    try:
        for path in ("/",) if read is None else tuple(read):
            _allow(ruleset, path, (_READ | _READ_DIR) & every)
        for path in write:
            _allow(ruleset, path, writing & every)
        _allow(ruleset, os.devnull, (_READ | _WRITE | _TRUNCATE) & every)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(38, 1, 0, 0, 0):  # PR_SET_NO_NEW_PRIVS
            raise OSError(ctypes.get_errno(), "the kernel refused no_new_privs")
        _syscall(_RESTRICT, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        place = os.open(Path(path), os.O_PATH | os.O_CLOEXEC)  # pyright: ignore[reportAttributeAccessIssue]
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= _ON_FILES
        rule = struct.pack("=Qi", rights, place)
        _syscall(
            _ADD, ctypes.c_int(ruleset), ctypes.c_int(1), ctypes.create_string_buffer(rule, 12), ctypes.c_uint32(0)
        )
    finally:
        os.close(place)
