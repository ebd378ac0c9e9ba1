"""What `run --dry-run`, `run` and `status` print about a whole campaign."""

from __future__ import annotations

from typing import Any

from archive.base import Archive
from sandbox.records import Rung
from synth.budget import Clock
from synth.cli.models import arms_of_state, arms_table, plan_of_models, show_plan_of_models
from synth.cli.output import console, emit_json, inert
from synth.cli.tables import funnel_line, holdout_table, leaderboard, mechanism_line, people_table, plain_table, shown
from synth.holdout import read_holdout
from synth.mechanisms import mechanisms
from synth.spec import CampaignSpec

LEADERS = 10
MOST_OPERATORS = 12


def runs(rung: Rung) -> int:
    """Trainings of one program on a rung."""
    return len(rung.tasks) * rung.seeds


def show_outcome(archive: Archive, spec: CampaignSpec) -> None:
    """The leaderboard, the hold-out, the funnel, and what to type next."""
    name, rungs = spec.campaign.name, [rung.name for rung in spec.rung]
    elites = archive.top(name, LEADERS)
    console.print(leaderboard(elites, rungs))
    report = read_holdout(archive, name)
    if report is not None:
        console.print(holdout_table(report))
    console.print(f"funnel: {funnel_line(archive.funnel(name, rungs))}", highlight=False)
    if elites:
        best = elites[0].id
        console.print(f"next:   lossmith show {best} · lossmith lineage {best} · lossmith status {name}", highlight=False)


def show_plan(spec: CampaignSpec, as_json: bool) -> None:
    """The spec, what a campaign would train, what it would ask a model first, and what models can cost."""
    if as_json:
        rungs = [{"rung": rung.name, "runs": runs(rung), "steps": runs(rung) * rung.steps} for rung in spec.all_rungs]
        emit_json({"spec": spec, "rungs": rungs, **plan_of_models(spec)})
        return
    console.print_json(data=spec.model_dump(mode="json", exclude_none=True))
    table = plain_table(
        "rung", "runs a program", "steps a program", "climbs at", "tasks", title=f"Campaign {spec.campaign.name}: the spec is fine"
    )
    for rung in spec.all_rungs:
        climbs = "-" if rung.promote is None else f"{rung.promote:g}"
        table.add_row(rung.name, str(runs(rung)), f"{runs(rung) * rung.steps:,}", climbs, ", ".join(rung.tasks))
    console.print(table)
    budget = spec.budget
    kind = "" if spec.network is None else f", the meta-network of SHA-256 {(spec.network.sha256 or '')[:12]}…"
    console.print(
        f"Up to {budget.evaluations} programs on the first rung and {spec.most_proposals} proposals; before, random play and the baseline "
        f"({inert(spec.baseline)}{kind}) on every rung; {spec.campaign.workers} workers, lag {spec.lag}.",
        highlight=False,
    )
    if spec.holdout is not None:
        known = len([name for name in spec.references if name != spec.baseline])
        console.print(
            f"At the end, on top of the limits: {spec.campaign.finalists} programs and {known} references on the hold-out.", highlight=False
        )
    show_plan_of_models(spec)


def state_of(archive: Archive, spec: CampaignSpec) -> dict[str, Any]:
    """All that `status --json` says."""
    name, rungs = spec.campaign.name, [rung.name for rung in spec.rung]
    return {
        "campaign": name,
        "budget": spec.budget,
        "seconds": float(archive.get_value(name, Clock.KEY) or 0),
        "device_seconds": archive.device_seconds(name),
        "funnel": archive.funnel(name, rungs),
        "refusals": archive.refusals(name),
        "leaderboard": [elite.model_dump(mode="json", exclude={"text"}) for elite in archive.top(name, LEADERS)],
        "holdout": read_holdout(archive, name),
        "occupancy": archive.occupancy(name),
        "mechanisms": mechanisms(archive, spec),
        "operators": archive.operators(name),
        "arms": arms_of_state(archive, spec),
        "spent": archive.letters.spent(name),
        "people": people_of(archive, name),
        "events": archive.events(name, last=20),
    }


def people_of(archive: Archive, name: str) -> dict[str, Any]:
    """What people wish now, and all that they did."""
    acts = archive.acts
    return {
        "pinned": acts.marked(name, "pin"),
        "banned": acts.marked(name, "ban"),
        "banned_ideas": acts.banned_ideas(name),
        "acts": acts.all(name),
    }


def show_state(archive: Archive, spec: CampaignSpec) -> None:
    """Budgets, funnel, mechanisms, grid, operators, events."""
    state = state_of(archive, spec)
    name, budget = spec.campaign.name, spec.budget
    used = plain_table("budget", "used", "limit", title=f"Campaign {name}")
    minutes = budget.wall_clock_minutes
    for label, spent, limit in (
        ("evaluations", state["funnel"]["novel"], budget.evaluations),
        ("proposals", state["funnel"]["proposed"], spec.most_proposals),
        ("seconds", state["seconds"], None if minutes is None else 60 * minutes),
        ("device-seconds", state["device_seconds"], budget.device_seconds),
        ("tokens of models", state["spent"].tokens, budget.tokens),
        ("calls of models", state["spent"].calls, budget.calls),
    ):
        used.add_row(label, f"{spent:.0f}", "-" if limit is None else f"{limit:.0f}")
    used.add_row("dollars to models", f"{state['spent'].money:.4f}", "-" if budget.money is None else f"{budget.money:g}")
    console.print(used)
    console.print(f"funnel: {funnel_line(state['funnel'])}", highlight=False)
    console.print(
        f"refused: {inert(', '.join(f'{why} {count}' for why, count in list(state['refusals'].items())[:8])) or 'none'}", highlight=False
    )
    for mechanism in state["mechanisms"]:
        console.print(mechanism_line(mechanism))
    cells = plain_table("cell (kind / nodes / free predictions / carried state)", "held by")
    for cell, program_id in state["occupancy"].items():
        cells.add_row(cell, program_id)
    operators = plain_table("proposer", "proposed", "scored", "kept", "cost", "tokens", "operator")
    for row in sorted(state["operators"], key=lambda row: -row.proposed)[:MOST_OPERATORS]:
        counts = (row.proposed, row.scored, row.kept, f"{row.cost:g}", row.tokens)
        operators.add_row(shown(row.proposer), *map(str, counts), shown(row.operator))
    if state["people"]["acts"]:
        console.print(people_table(state["people"]["acts"]))
    events = plain_table("event", "")
    for event in state["events"]:
        events.add_row(event.kind, shown(event.text, most=120))
    console.print(
        leaderboard(archive.top(name, LEADERS), [rung.name for rung in spec.rung]), cells, operators, arms_table(archive, spec), events
    )
