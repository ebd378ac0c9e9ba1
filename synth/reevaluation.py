"""Which program is evaluated on fresh seeds before it may go on: the cure for a score that was best because it was lucky.

The best of many noisy scores is above its program's quality by about as much as the luckiest noise (2.66 standard deviations among 150
equal programs). So a program stands its test again, on seeds nobody has seen, before it becomes a parent for the second time, and whoever
stands first is tested until it has been `reevaluations` times. The score is then that of all its seeds, and the search goes on with who
is left. What is left of the luck after that is taken out of what is believed (`archive.belief`), by which programs are ranked.
"""

from __future__ import annotations

from collections.abc import Sequence

from archive.base import Archive
from archive.records import Elite
from synth.spec import CampaignSpec

REEVALUATION = "re-evaluation"


def leader_due(archive: Archive, spec: CampaignSpec) -> Elite | None:
    """The campaign's best program, if it is to be evaluated again and is not being so."""
    for best in archive.top(spec.campaign.name, 1):
        if best.evaluated <= spec.search.reevaluations and best.number not in archive.resting(best.campaign):
            return best
    return None


def parent_due(parents: Sequence[Elite], spec: CampaignSpec) -> Elite | None:
    """The first of these parents that has been one before and stands on its first seeds still; where parents are chosen by their score."""
    if not spec.search.reevaluations or spec.search.strategy != "evolve":
        return None
    return next((parent for parent in parents if parent.children and parent.evaluated == 1), None)
