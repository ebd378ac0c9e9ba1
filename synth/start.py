"""Puts a campaign together: archive, workers, sandbox, proposer; and lets go of them whatever happens."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from archive.base import Archive
from archive.store import SqliteArchive, open_archive
from sandbox.evaluate import Evaluator
from sandbox.isolation.base import Isolation
from sandbox.records import Limits
from synth.budget import short_of
from synth.campaign import Campaign, Crew
from synth.pipeline import Runs
from synth.proposers.base import Author
from synth.proposers.section import ProposerSection
from synth.spec import CampaignSpec
from synth.valve import Valve

if TYPE_CHECKING:
    from synth.proposers.model import Ask


@contextmanager
def open_campaign(spec: CampaignSpec, archive: Archive, interrupted: threading.Event) -> Iterator[Campaign]:
    """A campaign of this archive, ready to run; its processes end with the block."""
    from sandbox.execution.cores import workers_of
    from sandbox.execution.select import open_executor
    from sandbox.isolation.select import open_isolation

    settings = spec.sandbox
    memory = int(settings.memory_gb * 2**30)
    with ExitStack() as stack:
        authors = make_authors(spec, archive, stack)

        def sandbox() -> Isolation:
            isolation = open_isolation(settings.backend)
            stack.callback(isolation.close)
            return isolation

        isolation = None if all(author.proposer.trusted for author in authors) else sandbox()
        valve = Valve(
            open_executor(workers_of(spec.agent.threads, spec.campaign.workers), place=settings.training),
            Runs(archive, spec.campaign.name).remember,
        )
        judge = Evaluator(
            valve,
            isolation,
            spec.agent,
            seed=spec.campaign.seed,
            trace_limits=Limits(seconds=settings.trace_seconds, memory_bytes=memory),
            run_limits=Limits(seconds=settings.run_seconds, memory_bytes=memory),
        )
        judge.late = sandbox  # for a program that a person adds
        stack.callback(judge.close)
        stack.callback(valve.close)
        yield Campaign(spec, archive, Crew(judge, authors, valve), interrupted)


def make_authors(spec: CampaignSpec, archive: Archive, stack: ExitStack) -> tuple[Author, ...]:
    """Everybody whom the spec lets write programs. What they open is closed by `stack`."""
    archive.sendings.lose(spec.campaign.name)
    return tuple(_make_author(spec, section, archive, stack) for section in spec.writers)


def _make_author(spec: CampaignSpec, section: ProposerSection, archive: Archive, stack: ExitStack) -> Author:
    if section.kind == "mutation":
        from synth.proposers.mutation import MutationProposer

        return Author(MutationProposer(section.label))
    from synth.prompting.prompter import ModelPrompter
    from synth.proposers.model import ModelProposer

    if section.kind == "replay":
        recording, name = _recording(section, spec.campaign.name, stack)
        archive.acts.schedule(spec.campaign.name, recording.acts.all(name))
        archive.sendings.repeat(spec.campaign.name, recording.sendings, name)
    ask = make_model(section, spec.campaign.name, stack)
    proposer = ModelProposer(section, spec.campaign.name, archive, ask, lambda spent: short_of(spec.budget, spent) is None)
    return Author(proposer, section.operators, ModelPrompter(spec, section, archive))


def make_model(section: ProposerSection, campaign: str, stack: ExitStack) -> Ask:
    """Whom a section asks for a campaign.

    Raises PrerequisiteMissing without a key that is needed, ArchiveError or UsageError without a recording.
    """
    if section.kind == "replay":
        from synth.proposers.model import replay

        recording, name = _recording(section, campaign, stack)
        return replay(recording.letters, name)
    if section.kind == "openai":
        from synth.proposers.openai_endpoint import Endpoint

        endpoint = Endpoint(section)
        stack.callback(endpoint.close)
        return endpoint
    from synth.proposers.transformers_local import LocalModel

    return LocalModel(section)


def _recording(section: ProposerSection, campaign: str, stack: ExitStack) -> tuple[SqliteArchive, str]:
    """The archive that a section replays for a campaign, and which of its campaigns."""
    recording = open_archive(Path(section.archive), create=False)
    stack.callback(recording.close)
    names = recording.campaigns()
    name = section.campaign or (campaign if campaign in names or not names else names[-1])
    recording.campaign_spec(name)  # raises for one that is not there
    return recording, name


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
