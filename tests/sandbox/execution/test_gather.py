"""Timing must not change what is reported."""

from concurrent.futures import Future

import pytest

from sandbox.errors import RunFault, Verdict, WorkerLost
from sandbox.execution.gather import gather


def fault(text: str) -> RunFault:
    return RunFault(Verdict.CRASHED, text)


def futures(count: int) -> list[Future[int]]:
    return [Future() for _ in range(count)]


def test_results_are_kept_with_their_index() -> None:
    waiting, kept = futures(3), {}
    for index, future in enumerate(waiting):
        future.set_result(index * 10)
    assert gather(waiting, kept.__setitem__) is None
    assert kept == {0: 0, 1: 10, 2: 20}


@pytest.mark.parametrize("order", [(1, 2, 0), (2, 1, 0), (0, 2, 1)])
def test_the_first_failure_in_order_whatever_the_timing(order: tuple[int, ...]) -> None:
    """Job 1 and 2 fail, 0 is done: the one reported is 1, also where 2 came first."""
    waiting, kept = futures(4), {}
    outcomes = {0: 5, 1: fault("one"), 2: fault("two")}

    def settle_next(*_: object) -> None:
        for index in order:
            if not waiting[index].done():
                outcome = outcomes[index]
                waiting[index].set_exception(outcome) if isinstance(outcome, RunFault) else waiting[index].set_result(outcome)
                return

    for future in waiting:
        future.add_done_callback(settle_next)
    settle_next()
    found = gather(waiting, kept.__setitem__)
    assert found is not None
    assert (found[0], found[1].message) == (1, "one")
    assert kept == {0: 5}
    assert waiting[3].cancelled()


def test_a_fault_of_ours_cancels_everything() -> None:
    waiting = futures(3)
    waiting[2].set_exception(WorkerLost("gone"))
    with pytest.raises(WorkerLost):
        gather(waiting, lambda index, result: None)
    assert waiting[0].cancelled()
    assert waiting[1].cancelled()
