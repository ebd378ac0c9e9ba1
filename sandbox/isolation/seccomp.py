"""The system calls left to a process that has imported all it needs: a list of what is allowed, as a seccomp filter.

What it stops, in every thread and for good: starting processes, sockets, opening files for writing, tracing or signalling others,
changing limits, namespaces, mounts, keys. What it does not stop: reading files that the mount namespace shows, using up memory and time,
and anything inside the process's own memory.

The filter is a few dozen instructions of classic BPF, assembled here, so that no library is needed. Standard library only.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import signal
import struct
import sys
from typing import NamedTuple

PR_SET_NO_NEW_PRIVS = 38
SECCOMP_SET_MODE_FILTER = 1
SECCOMP_FILTER_FLAG_TSYNC = 1
CLONE_THREAD = 0x10000
WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | 0x400000  # the last is __O_TMPFILE

ALLOW, KILL = 0x7FFF0000, 0x80000000
_LOAD, _EQUAL, _ANY_BIT, _AT_LEAST, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
_NUMBER_AT, _ARCH_AT, _ARGUMENTS_AT = 0, 4, 16  # offsets in struct seccomp_data
_X32 = 0x40000000

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, value


class Machine(NamedTuple):
    """What differs between processor families; -1 where a call does not exist."""

    audit: int
    seccomp: int
    column: int


_MACHINES = {"x86_64": Machine(0xC000003E, 317, 0), "aarch64": Machine(0xC00000B7, 277, 1)}

# Numbers on (x86_64, aarch64), from the kernel's asm/unistd.h.
_FREE = {
    "read": (0, 63), "write": (1, 64), "close": (3, 57), "stat": (4, -1), "fstat": (5, 80), "lstat": (6, -1), "lseek": (8, 62),
    "mmap": (9, 222), "mprotect": (10, 226), "munmap": (11, 215), "brk": (12, 214), "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "pread64": (17, 67), "readv": (19, 65), "writev": (20, 66),
    "access": (21, -1), "sched_yield": (24, 124), "mremap": (25, 216), "madvise": (28, 233), "nanosleep": (35, 101),
    "getpid": (39, 172), "uname": (63, 160), "getcwd": (79, 17), "readlink": (89, -1), "gettimeofday": (96, 169),
    "getrusage": (98, 165), "sysinfo": (99, 179), "times": (100, 153), "getuid": (102, 174), "getgid": (104, 176),
    "geteuid": (107, 175), "getegid": (108, 177), "sigaltstack": (131, 132), "gettid": (186, 178), "futex": (202, 98),
    "sched_getaffinity": (204, 123), "getdents64": (217, 61), "clock_gettime": (228, 113), "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115), "newfstatat": (262, 79), "readlinkat": (267, 78), "faccessat": (269, 48),
    "set_robust_list": (273, 99), "getcpu": (309, 168), "getrandom": (318, 278), "membarrier": (324, 283), "statx": (332, 291),
    "rseq": (334, 293), "faccessat2": (439, 439),
}  # fmt: skip
_OPEN, _OPENAT, _TGKILL, _PRLIMIT, _CLONE = (2, -1), (257, 56), (234, 131), (302, 261), (56, 220)
_EXITS = {"exit": (60, 93), "exit_group": (231, 94)}
_LIKE_A_SIGNAL = 0x80  # this bit in an exit code: docker tells of a signal as 128 and its number
_REFUSED = {(435, 435): errno.ENOSYS}  # clone3: libc then tries clone, whose flags can be read
_DEADLY = {"fork": (57, -1), "vfork": (58, -1), "execve": (59, 221), "execveat": (322, 281)}


def supported() -> bool:
    """Whether this kind of machine is known here."""
    return sys.platform == "linux" and platform.machine() in _MACHINES


def load() -> bool:
    """Binds this process, all its threads and all it could ever start. False where the kernel does not take the filter."""
    if not supported():
        return False
    machine = _MACHINES[platform.machine()]
    instructions = assemble(machine, os.getpid())
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = ctypes.create_string_buffer(struct.pack("@HP", len(instructions), ctypes.addressof(buffer)))
    call = ctypes.c_long(machine.seccomp)
    return bool(libc.syscall(call, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, program) == 0)


def assemble(machine: Machine, pid: int) -> list[Instruction]:
    """The filter for a process that may signal nobody but itself, `pid`, and that only to abort: no end of its own looks like a kill."""
    code: list[Instruction] = [(_LOAD, 0, 0, _ARCH_AT), (_EQUAL, 1, 0, machine.audit), _return(KILL), (_LOAD, 0, 0, _NUMBER_AT)]
    code += [(_AT_LEAST, 0, 1, _X32), _return(KILL)]
    for numbers in _FREE.values():
        code += _when(numbers, machine, [_return(ALLOW)])
    for numbers in _DEADLY.values():
        code += _when(numbers, machine, [_return(KILL)])
    for numbers in _EXITS.values():
        code += _when(numbers, machine, [_argument(0), (_ANY_BIT, 0, 1, _LIKE_A_SIGNAL), _return(_fail(errno.EPERM)), _return(ALLOW)])
    for numbers, error in _REFUSED.items():
        code += _when(numbers, machine, [_return(_fail(error))])
    code += _when(_OPEN, machine, _reading_only(flags=1))
    code += _when(_OPENAT, machine, _reading_only(flags=2))
    code += _when(_CLONE, machine, [_argument(0), (_ANY_BIT, 0, 1, CLONE_THREAD), _return(_fail(errno.EAGAIN)), _return(KILL)])
    code += _when(_TGKILL, machine, _aborting_itself(pid))
    code += _when(_PRLIMIT, machine, _null_pointer(argument=2))
    return [*code, _return(_fail(errno.EPERM))]


def _when(numbers: tuple[int, int], machine: Machine, block: list[Instruction]) -> list[Instruction]:
    """`block`, which always returns, for one system call."""
    number = numbers[machine.column]
    return [] if number < 0 else [(_EQUAL, 0, len(block), number), *block]


def _reading_only(flags: int) -> list[Instruction]:
    return [_argument(flags), (_ANY_BIT, 0, 1, WRITE_FLAGS), _return(_fail(errno.EROFS)), _return(ALLOW)]


def _null_pointer(argument: int) -> list[Instruction]:
    high = (_LOAD, 0, 0, _ARGUMENTS_AT + 8 * argument + 4)
    return [_argument(argument), (_EQUAL, 0, 3, 0), high, (_EQUAL, 0, 1, 0), _return(ALLOW), _return(_fail(errno.EPERM))]


def _aborting_itself(pid: int) -> list[Instruction]:
    return [_argument(0), (_EQUAL, 0, 3, pid), _argument(2), (_EQUAL, 0, 1, signal.SIGABRT), _return(ALLOW), _return(_fail(errno.EPERM))]


def _argument(position: int) -> Instruction:
    """Loads the low half of an argument; both families are little-endian."""
    return (_LOAD, 0, 0, _ARGUMENTS_AT + 8 * position)


def _return(action: int) -> Instruction:
    return (_RETURN, 0, 0, action)


def _fail(error: int) -> int:
    return 0x00050000 | error
