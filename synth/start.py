"""Puts a campaign together: archive, workers, sandbox, proposer; and lets go of them whatever happens."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType

from archive.base import Archive
from sandbox.evaluate import Evaluator
from sandbox.records import Limits
from synth.campaign import Campaign, Crew
from synth.pipeline import Runs
from synth.proposers.base import Author
from synth.spec import CampaignSpec
from synth.valve import Valve


@contextmanager
def open_campaign(spec: CampaignSpec, archive: Archive, interrupted: threading.Event) -> Iterator[Campaign]:
    """A campaign of this archive, ready to run; its processes end with the block."""
    from sandbox.execution.local import LocalExecutor
    from sandbox.isolation.select import open_isolation

    settings = spec.sandbox
    memory = int(settings.memory_gb * 2**30)
    with ExitStack() as stack:
        authors = make_authors(spec)
        isolation = None
        if not all(author.proposer.trusted for author in authors):
            isolation = open_isolation(settings.backend)
            stack.callback(isolation.close)
        valve = Valve(LocalExecutor(spec.campaign.workers), Runs(archive, spec.campaign.name).remember)
        judge = Evaluator(
            valve,
            isolation,
            spec.agent,
            seed=spec.campaign.seed,
            trace_limits=Limits(seconds=settings.trace_seconds, memory_bytes=memory),
            run_limits=Limits(seconds=settings.run_seconds, memory_bytes=memory),
        )
        stack.callback(judge.close)
        stack.callback(valve.close)
        yield Campaign(spec, archive, Crew(judge, authors, valve), interrupted)


def make_authors(spec: CampaignSpec) -> tuple[Author, ...]:
    """Everybody whom the spec lets write programs."""
    from synth.proposers.mutation import MutationProposer

    return (Author(MutationProposer()),)


@contextmanager
def graceful_interrupt() -> Iterator[threading.Event]:
    """Inside, the first Ctrl-C (or SIGTERM) sets the event, the second raises KeyboardInterrupt."""
    interrupted = threading.Event()

    def handle(_signal: int, _frame: FrameType | None) -> None:
        if interrupted.is_set():
            raise KeyboardInterrupt
        interrupted.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
