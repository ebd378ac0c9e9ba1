"""What 0 and 1 mean: random play and the baseline on every rung's tasks, measured before anything is searched."""

from __future__ import annotations

from sandbox.evaluate import Memory
from sandbox.records import Traced
from sandbox.score import check_anchor
from synth.pipeline import Judge
from synth.spec import CampaignSpec


def measure_anchors(judge: Judge, spec: CampaignSpec, memory: Memory) -> Traced:
    """Measures rung by rung, the hold-out last; returns the traced baseline.

    Raises UsageError for a task that cannot normalise anything: now, and not after the search has been paid for.
    """
    baseline = judge.reference(spec.baseline, spec.all_rungs)
    for rung in spec.all_rungs:
        for anchor in judge.anchors(rung, baseline, memory, priority=-1).values():
            check_anchor(anchor)
    return baseline
