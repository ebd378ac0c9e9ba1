"""What a fork server does between jobs."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator

import pytest

from sandbox.execution.zygote import Zygote


@pytest.fixture
def zygote() -> Iterator[tuple[Zygote, socket.socket, list[int]]]:
    """One with two chores, the parent's end of its control socket, and the chores that were done."""
    parent, control = socket.socketpair()
    done: list[int] = []
    before = signal.getsignal(signal.SIGCHLD)
    server = Zygote(control, lambda data, log, pid: None, [lambda: done.append(1), lambda: done.append(2)])
    with parent, control, server.wakeup, server._signals, server.selector:
        yield server, parent, done
        signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, before)


def test_chores_are_done_one_at_a_time_while_nobody_wants_anything(zygote: tuple[Zygote, socket.socket, list[int]]) -> None:
    server, _, done = zygote
    assert server.turn()
    assert done == [1]
    assert server.turn()
    assert done == [1, 2]


def test_a_chore_waits_for_what_is_wanted(zygote: tuple[Zygote, socket.socket, list[int]]) -> None:
    server, parent, done = zygote
    parent.close()
    assert not server.turn(), "the parent is gone"
    assert done == []
