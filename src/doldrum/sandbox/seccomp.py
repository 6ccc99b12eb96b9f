"""A seccomp filter for Linux: system calls that reach the network, other processes or new programs fail with EPERM.

The filter lists the calls that are refused, not those that are allowed. Numerical libraries use many different calls, and a list of
allowed calls would break with each release of a library. Threads can start; new processes cannot.

Source: seccomp(2); Linux' include/uapi/linux/{seccomp,bpf_common}.h; system call tables of x86_64 and arm64.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

__all__ = ["SYSCALLS", "available", "install", "program"]

# name: (x86_64, arm64); None if the machine has no such call
SYSCALLS: dict[str, tuple[int | None, int]] = {
    # sockets
    "socket": (41, 198), "connect": (42, 203), "accept": (43, 202), "accept4": (288, 242), "bind": (49, 200),
    "listen": (50, 201),
    # new programs, other processes
    "execve": (59, 221), "execveat": (322, 281), "ptrace": (101, 117), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "process_madvise": (440, 440), "process_mrelease": (448, 448), "kcmp": (312, 272),
    "pidfd_open": (434, 434), "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424), "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240), "migrate_pages": (256, 238),
    "setpriority": (141, 140), "setns": (308, 268), "unshare": (272, 97),
    # ways around this filter and around landlock
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264), "userfaultfd": (323, 282), "bpf": (321, 280),
    "perf_event_open": (298, 241), "fanotify_init": (300, 262), "memfd_create": (319, 279), "memfd_secret": (447, 447),
    # rights and attributes of files, which landlock leaves alone
    "chmod": (90, 0), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452), "chown": (92, 0),
    "fchown": (93, 55), "lchown": (94, 0), "fchownat": (260, 54), "setxattr": (188, 5), "lsetxattr": (189, 6),
    "fsetxattr": (190, 7), "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
    "setxattrat": (463, 463), "removexattrat": (466, 466), "mknod": (133, 0), "mknodat": (259, 33),
    # the machine
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "open_tree": (428, 428),
    "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442), "open_tree_attr": (467, 467), "quotactl": (179, 60), "quotactl_fd": (443, 443),
    "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89), "reboot": (169, 142), "sethostname": (170, 161),
    "setdomainname": (171, 162), "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171),
    "clock_adjtime": (305, 266), "iopl": (172, 0), "ioperm": (173, 0), "init_module": (175, 105),
    "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104), "kexec_file_load": (320, 294),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219), "syslog": (103, 116),
    "personality": (135, 92), "fork": (57, 0), "vfork": (58, 0),
}  # fmt: skip
_OWN = {"kill": (62, 129), "tgkill": (234, 131), "prlimit64": (302, 261)}  # allowed on the process itself
_CLONE, _CLONE3, _IOCTL, _SECCOMP = (56, 220), (435, 435), (16, 29), (317, 277)
_NETWORK = ("socket", "connect", "accept", "accept4", "bind", "listen")
_ARCHES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C  # put words into a terminal
_CLONE_THREAD = 0x00010000
_X32 = 0x40000000

_LOAD, _JEQ, _JGE, _JSET, _RET = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NR, _ARCH, _ARG0, _ARG1 = 0, 4, 16, 24


def _op(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, value)


def program(machine: str, pid: int, *, network: bool = False) -> bytes:
    """The filter for `machine` ("x86_64" or "aarch64") as an array of `struct sock_filter`.

    The filter refuses (EPERM) each call in `SYSCALLS`. The filter also refuses three more kinds of calls: kill, tgkill
    and prlimit for any process except `pid`; clone without CLONE_THREAD; and the two ioctls that type into a terminal.
    A filter can't see the flags of clone3. So clone3 returns ENOSYS, and the C library falls back to clone. A call made
    for another architecture ends the process.

    >>> len(program("x86_64", 1)) // 8 < 4096  # the kernel's limit
    True
    """
    column, audit = _ARCHES[machine]
    deny, allow = _op(_RET, _ERRNO | errno.EPERM), _op(_RET, _ALLOW)
    ops = [_op(_LOAD, _ARCH), _op(_JEQ, audit, 1, 0), _op(_RET, _KILL), _op(_LOAD, _NR)]
    if machine == "x86_64":
        ops += [_op(_JGE, _X32, 0, 1), deny]
    for name, numbers in SYSCALLS.items():
        number = numbers[column]
        if (number or name == "setxattr") and not (network and name in _NETWORK):
            ops += [_op(_JEQ, number or 0, 0, 1), deny]
    ops += [_op(_JEQ, _CLONE3[column], 0, 1), _op(_RET, _ERRNO | errno.ENOSYS)]
    ops += [_op(_JEQ, _CLONE[column], 0, 4), _op(_LOAD, _ARG0), _op(_JSET, _CLONE_THREAD, 0, 1), allow, deny]
    for name, numbers in _OWN.items():
        zero = [_op(_JEQ, 0, 1, 0)] if name == "prlimit64" else []  # 0 is the caller, but its whole group for kill
        body = [_op(_LOAD, _ARG0), *zero, _op(_JEQ, pid, 0, 1), allow, deny]
        ops += [_op(_JEQ, numbers[column], 0, len(body)), *body]
    ops += [_op(_JEQ, _IOCTL[column], 0, 5), _op(_LOAD, _ARG1)]
    ops += [_op(_JEQ, _TIOCSTI, 1, 0), _op(_JEQ, _TIOCLINUX, 0, 1), deny, allow]
    return b"".join([*ops, allow])


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def available() -> bool:
    """Whether doldrum can use a seccomp filter here: the kernel must support such filters, and doldrum must know the
    numbers of its system calls."""
    if not sys.platform.startswith("linux") or platform.machine() not in _ARCHES:
        return False
    number = _SECCOMP[_ARCHES[platform.machine()][0]]
    action = ctypes.c_uint32(_ERRNO)
    return _libc().syscall(number, 2, 0, ctypes.byref(action)) == 0  # SECCOMP_GET_ACTION_AVAIL


def install(*, network: bool = False) -> None:
    """Apply the filter permanently to this process, its threads and everything that they start; OSError if the kernel refuses."""
    code = program(platform.machine(), os.getpid(), network=network)
    buffer = ctypes.create_string_buffer(code, len(code))

    class Fprog(ctypes.Structure):
        _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    libc, fprog = _libc(), Fprog(len(code) // 8, ctypes.addressof(buffer))
    number = _SECCOMP[_ARCHES[platform.machine()][0]]
    if libc.prctl(38, 1, 0, 0, 0) or libc.syscall(number, 1, 1, ctypes.byref(fprog)):  # NO_NEW_PRIVS; FILTER, TSYNC
        raise OSError(ctypes.get_errno(), "the kernel refused a seccomp filter")
