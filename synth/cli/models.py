"""What the command line shows of models: the first prompt, the worst case, what was spent, and how work is divided."""

from __future__ import annotations

from typing import Any

from rich.table import Table
from rich.text import Text

from archive.base import Archive
from archive.records import Prompt
from synth.cli.output import console
from synth.cli.tables import plain_table, shown
from synth.desk import arms_of, tally
from synth.quoting import inert
from synth.spec import CampaignSpec


def show_prompt(prompt: Prompt) -> None:
    """One prompt in full."""
    for name, text in (("system", prompt.system), (f"user: {prompt.operator}", prompt.user)):
        console.print(Text(f"──── {name} ────", style="bold"))
        console.print(Text(inert(text)), soft_wrap=True)


def plan_of_models(spec: CampaignSpec) -> dict[str, Any]:
    """The first prompt and the worst case, for `run --dry-run --json`; empty where no model is asked."""
    from synth.preview import first_order, worst_case

    order, worst = first_order(spec), worst_case(spec)
    return {} if order is None or worst is None else {"first_prompt": order.prompts[0], "worst_case": worst}


def show_plan_of_models(spec: CampaignSpec) -> None:
    """The same for people."""
    from synth.preview import first_order, worst_case

    order, worst = first_order(spec), worst_case(spec)
    if order is None or worst is None:
        return
    show_prompt(order.prompts[0])
    call, total = worst.call, worst.total
    money = (f", ${call.money:.4f}", f", ${total.money:.2f}") if worst.money_known else (", at an unknown price", ", at an unknown price")
    console.print(
        f"Worst case: one call takes {call.tokens:,} tokens{money[0]}; "
        f"the campaign {total.calls:,} calls, {total.tokens:,} tokens{money[1]}.",
        highlight=False,
    )


def arms_table(archive: Archive, spec: CampaignSpec) -> Table:
    """How work is divided, and why."""
    table = plain_table("arm", "recent proposals", "reward", "cost", "reward per cost")
    for row in tally(spec, archive, arms_of(spec)):
        name = f"{row.arm.proposer}: {row.arm.operator or 'its own choice'}"
        numbers = (row.proposals, row.mean_reward, row.mean_cost, row.mean_reward / row.mean_cost)
        table.add_row(shown(name), *(f"{number:.3g}" for number in numbers))
    return table


def arms_of_state(archive: Archive, spec: CampaignSpec) -> list[dict[str, Any]]:
    """The same for `status --json`."""
    return [
        {
            "proposer": row.arm.proposer,
            "operator": row.arm.operator,
            "proposals": row.proposals,
            "reward": row.mean_reward,
            "cost": row.mean_cost,
        }
        for row in tally(spec, archive, arms_of(spec))
    ]
