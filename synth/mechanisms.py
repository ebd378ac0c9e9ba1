"""Is every mechanism of the search alive? Counts for `status`, and a warning where one that should act does not."""

from __future__ import annotations

from archive.base import Archive
from archive.records import Activity, OperatorCount
from sandbox.records import Record
from synth.spec import CampaignSpec

QUIET = 60  # results without a re-evaluation
SETTLING = 10  # results an island has to find its first elite
UNRACED = 40  # evaluations without a race that was lost
FRUITLESS = 20  # proposals of one operator, none of which was scored


class Mechanism(Record):
    """One mechanism: how often it has acted, in words what it did, and what is wrong with it, if anything is."""

    name: str
    count: int
    text: str
    warning: str = ""


def mechanisms(archive: Archive, spec: CampaignSpec) -> list[Mechanism]:
    """Those that the spec switches on; of operators, only those that bring nothing."""
    search, activity = spec.search, archive.activity(spec.campaign.name, spec.search.islands)
    found = []
    if search.islands > 1:
        found += [_islands(activity), _migration(activity, search.migrate_every)]
    if search.reevaluations:
        found.append(_reevaluation(activity))
    if any(rung.race for rung in spec.rung):
        found.append(_racing(activity))
    return found + [_operator(row) for row in archive.operators(spec.campaign.name) if row.proposed >= FRUITLESS and not row.scored]


def _islands(activity: Activity) -> Mechanism:
    islands, empty = len(activity.elites), activity.elites.count(0)
    late = empty and activity.told >= SETTLING * islands
    text = f"elites by island: {', '.join(map(str, activity.elites))}"
    verb = "has" if empty == 1 else "have"
    return Mechanism(name="islands", count=islands - empty, text=text, warning=f"{empty} of {islands} {verb} no elite" if late else "")


def _migration(activity: Activity, every: int) -> Mechanism:
    quiet = activity.told - (activity.last_migration or 0)
    late = f"has brought nobody in {quiet} results, though due every {every}" if quiet >= 3 * every else ""
    text = f"programs that came to an island from another, after every {every} results"
    return Mechanism(name="migration", count=activity.migrations, text=text, warning=late)


def _reevaluation(activity: Activity) -> Mechanism:
    quiet = activity.told - (0 if activity.last_reevaluation is None else activity.last_reevaluation + 1)
    late = f"has not happened in {quiet} results" if quiet >= QUIET else ""
    return Mechanism(name="re-evaluation", count=activity.reevaluations, text="programs evaluated again on fresh seeds", warning=late)


def _racing(activity: Activity) -> Mechanism:
    all_runs = activity.runs + activity.saved
    text = f"of {activity.evaluations} evaluations stopped early; {activity.saved} of {all_runs} trainings saved"
    share = f" ({activity.saved / all_runs:.0%})" if all_runs else ""
    late = f"has stopped none of {activity.evaluations} evaluations" if activity.evaluations >= UNRACED and not activity.stopped else ""
    return Mechanism(name="races", count=activity.stopped, text=text + share, warning=late)


def _operator(row: OperatorCount) -> Mechanism:
    name = f"{row.proposer}: {row.operator}"
    return Mechanism(name=name, count=0, text=f"programs scored of {row.proposed}", warning=f"none of {row.proposed} programs was scored")
