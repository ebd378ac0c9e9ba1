"""A process that shuts itself off: forked into namespaces of its own, its last privileges gone. Linux, standard library only.

Used by the sandbox's fork server, which holds one capability (CAP_SYS_ADMIN, inside bubblewrap) so that every tracer gets what bubblewrap
gave its server: no other process in sight, no network, no file that another one could find. The tracer has given the capability up for
good before it is handed any text, and says so in its greeting.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from typing import NoReturn

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x4000000, 0x8000000, 0x20000000, 0x40000000
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 1, 2, 4, 8
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 1, 38, 47, 4
_CAPABILITY_VERSION = 0x20080522


def go_on_alone() -> None:
    """Returns in a forked process that is the first one of a pid namespace and has no network, no file that another one could write, and
    no capability. The calling process only waits for it, ends as it ends, and takes it along when it is killed itself.

    With the end of a namespace's first process the kernel ends whatever else is in it. Raises OSError where a wall cannot be put up.
    """
    libc = _libc()
    _check(libc.unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET))
    _check(libc.mount(b"none", b"/tmp", b"tmpfs", _MS_RDONLY | _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, b"size=4k"))
    os.chdir("/")  # where it stands may be the folder that was just covered
    child = os.fork()
    if child:
        _end_as(child)
    _check(libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))
    _check(libc.capset(_header(), (ctypes.c_uint32 * 6)()))
    _check(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _check(libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))


def _end_as(child: int) -> NoReturn:
    """Waits, holding nothing open that others wait for, and ends with the child's exit code or signal."""
    os.closerange(0, 4096)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code < 0:
        if -code not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def capabilities() -> int:
    """The capabilities that this process has or could take up again, as bits."""
    data = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; of the lower and the upper 32
    _check(_libc().capget(_header(), data))
    return (data[0] | data[1] | data[2]) | (data[3] | data[4] | data[5]) << 32


def _header() -> ctypes.Array[ctypes.c_uint32]:
    return (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
