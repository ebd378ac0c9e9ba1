"""What 0 and 1 mean: random play and the baseline on every rung's tasks, measured before anything is searched."""

from __future__ import annotations

from collections.abc import Sequence

from sandbox.evaluate import Memory
from sandbox.records import Rule, Rung
from sandbox.score import check_anchor
from synth.network import find_network
from synth.pipeline import Judge
from synth.spec import CampaignSpec


def measure_anchors(judge: Judge, spec: CampaignSpec, memory: Memory) -> Rule:
    """Measures rung by rung, the hold-out last; returns the baseline.

    Raises UsageError for a task that cannot normalise anything: now, and not after the search has been paid for.
    """
    baseline = baseline_rule(judge, spec, spec.all_rungs)
    for rung in spec.all_rungs:
        for anchor in judge.anchors(rung, baseline, memory, priority=-1).values():
            check_anchor(anchor)
    return baseline


def baseline_rule(judge: Judge, spec: CampaignSpec, rungs: Sequence[Rung]) -> Rule:
    """A resolved spec's baseline: a reference, traced for these rungs, or the very meta-network that the spec has frozen.

    Raises PrerequisiteMissing where its file is not on this machine.
    """
    if spec.network is None:
        return judge.reference(spec.baseline, rungs)
    return spec.network.rule(spec.baseline, find_network(spec.baseline, spec.network.sha256))
