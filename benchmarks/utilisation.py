"""How busy a campaign keeps its workers: the share of their time in which they run a job.

    python benchmarks/utilisation.py [--minutes 20] [--workers 2] [--spec examples/quick.toml] [--reply-seconds 5] [--json]

One campaign of `--minutes` by the mutation proposer, or, with `--reply-seconds`, by an OpenAI-compatible server on the loopback that takes
that long for every reply and answers with mutated references. Workers are looked at twenty times a second while the campaign searches;
random play and the baseline, measured before, count too (`anchors`). The peer is the limit: 1, workers that never wait.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for the tests' server

from archive.records import Elite, Prompt
from archive.store import open_archive
from sandbox.randomness import numpy_stream
from sandbox.records import program_id
from sandbox.rules.references import reference_names, reference_text
from synth.campaign import Campaign
from synth.proposers.base import Context
from synth.proposers.mutation import MutationProposer
from synth.spec import load_spec
from synth.start import open_campaign

TICK = 0.05  # seconds


class Meter:
    """Counts, by phase, how many workers were busy at every tick."""

    def __init__(self, campaign: Campaign) -> None:
        self.seen: dict[str, Counter[int]] = {}
        self._campaign = campaign
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Meter:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(TICK):
            self.seen.setdefault(self._campaign.phase, Counter())[self._campaign.crew.valve.running] += 1

    def busy(self, phase: str) -> float:
        """Share of the workers' time that was used."""
        ticks = self.seen[phase]
        return sum(running * count for running, count in ticks.items()) / (ticks.total() * self._campaign.spec.campaign.workers)


def main() -> None:
    """Runs the campaign and prints the table."""
    arguments = _arguments()
    settings = [f"budget.wall_clock_minutes={arguments.minutes}", "budget.evaluations=100000", f"campaign.workers={arguments.workers}"]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if arguments.reply_seconds:
            from tests.synth.endpoint import Endpoint

            server = stack.enter_context(Endpoint(reply, delay=arguments.reply_seconds))
            settings += ['proposer.kind="openai"', 'proposer.model="mutations"', f'proposer.base_url="{server.url}"']
        spec = load_spec(arguments.spec, settings).resolved().model_copy(update={"holdout": None})
        archive = open_archive(folder / "archive.sqlite")
        stack.callback(archive.close)
        archive.create_campaign(spec.campaign.name, spec.model_dump_json())
        campaign = stack.enter_context(open_campaign(spec, archive, threading.Event()))
        start = time.monotonic()
        with Meter(campaign) as meter:
            campaign.run()
        _report(meter, archive.funnel(spec.campaign.name, [rung.name for rung in spec.rung]), time.monotonic() - start, arguments.json)


def _report(meter: Meter, funnel: dict[str, int], seconds: float, as_json: bool) -> None:
    shares = {phase: (ticks.total() * TICK, meter.busy(phase)) for phase, ticks in meter.seen.items()}
    if as_json:
        print(json.dumps({"seconds": seconds, "funnel": funnel, "busy": {phase: busy for phase, (_, busy) in shares.items()}}))
        return
    print(f"{seconds:.0f} s; " + " → ".join(f"{stage} {count}" for stage, count in funnel.items()))
    for phase, (length, busy) in shares.items():
        print(f"{phase:10} {length:6.0f} s   workers busy {busy:.3f}")


def reply(prompt: Prompt, nth: int) -> str:
    """A mutated reference, another one for every question."""
    names = reference_names()
    text = reference_text(names[nth % len(names)])
    parent = Elite(
        id=program_id(text),
        title="",
        text=text,
        proposer="",
        operator="",
        parents=(),
        number=0,
        campaign="",
        rung=0,
        score=None,
        descriptor=None,
    )
    stream = numpy_stream(0, "reply", nth, prompt.user[-200:])
    return f"```python\n{MutationProposer('mutation').propose(Context(number=nth, parents=(parent,)), stream).text}\n```"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--spec", type=Path, default=Path("examples/quick.toml"))
    parser.add_argument("--reply-seconds", type=float, default=0)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
