"""The filter as a program: run by a small interpreter here, and by the kernel in `test_contract`."""

from __future__ import annotations

import errno

import pytest

from sandbox.isolation import seccomp

PID = 4242
ERRNO = 0x00050000
CASES = {
    "read": (0, (), seccomp.ALLOW),
    "exit_group": (231, (0,), seccomp.ALLOW),
    "exit_like_a_signal": (231, (137,), ERRNO | errno.EPERM),
    "exit_of_a_thread_like_a_signal": (60, (0x189,), ERRNO | errno.EPERM),
    "fork": (57, (), seccomp.KILL),
    "execve": (59, (), seccomp.KILL),
    "clone_of_a_process": (56, (17,), seccomp.KILL),
    "clone_of_a_thread": (56, (seccomp.CLONE_THREAD | 0x100,), ERRNO | errno.EAGAIN),
    "clone3": (435, (), ERRNO | errno.ENOSYS),
    "socket": (41, (2, 1), ERRNO | errno.EPERM),
    "ptrace": (101, (), ERRNO | errno.EPERM),
    "kill": (62, (1, 9), ERRNO | errno.EPERM),
    "io_uring_setup": (425, (), ERRNO | errno.EPERM),
    "open_for_reading": (257, (0, 0, 0), seccomp.ALLOW),
    "open_for_writing": (257, (0, 0, 1), ERRNO | errno.EROFS),
    "open_of_a_nameless_file": (257, (0, 0, 0x410002), ERRNO | errno.EROFS),
    "signal_to_itself": (234, (PID, PID, 6), seccomp.ALLOW),
    "killing_itself": (234, (PID, PID, 9), ERRNO | errno.EPERM),
    "signal_to_another": (234, (1, 1, 6), ERRNO | errno.EPERM),
    "reading_limits": (302, (0, 9, 0), seccomp.ALLOW),
    "setting_limits": (302, (0, 9, 1 << 40), ERRNO | errno.EPERM),
    "x32_read": (0x40000000, (), seccomp.KILL),
    "unknown": (999, (), ERRNO | errno.EPERM),
}
X86 = seccomp.Machine(0xC000003E, 317, 0)


def judge(code: list[seccomp.Instruction], audit: int, number: int, arguments: tuple[int, ...]) -> int:
    """Runs the filter on one system call."""
    words = {0: number, 4: audit}
    for position in range(6):
        value = arguments[position] if position < len(arguments) else 0
        words |= {16 + 8 * position: value & 0xFFFFFFFF, 20 + 8 * position: value >> 32}
    accumulator, counter = 0, 0
    while True:
        operation, jump_true, jump_false, constant = code[counter]
        counter += 1
        if operation == 0x06:
            return constant
        if operation == 0x20:
            accumulator = words[constant]
            continue
        holds = {0x15: accumulator == constant, 0x45: bool(accumulator & constant), 0x35: accumulator >= constant}[operation]
        counter += jump_true if holds else jump_false


@pytest.mark.parametrize("name", CASES)
def test_verdict_on_a_call(name: str) -> None:
    number, arguments, expected = CASES[name]
    assert judge(seccomp.assemble(X86, PID), X86.audit, number, arguments) == expected


def test_another_architecture_is_killed() -> None:
    assert judge(seccomp.assemble(X86, PID), 0x40000003, 0, ()) == seccomp.KILL


def test_arm_numbers_its_calls_differently() -> None:
    code = seccomp.assemble(seccomp.Machine(0xC00000B7, 277, 1), PID)
    assert judge(code, 0xC00000B7, 63, ()) == seccomp.ALLOW
    assert judge(code, 0xC00000B7, 221, ()) == seccomp.KILL
    assert judge(code, 0xC00000B7, 198, ()) == ERRNO | errno.EPERM
