"""The result of a simplification in the archive: the report beside its program, the simpler program as a child."""

from __future__ import annotations

from archive.base import Archive
from archive.records import Elite
from synth.children import Maker, keep_child
from synth.simplify.records import Simplification
from synth.simplify.search import Bench
from synth.spec import CampaignSpec


def read_simplification(archive: Archive, elite: Elite) -> Simplification | None:
    """The last report on a program, if there is one."""
    kept = archive.get_value(elite.campaign, _key(elite.id))
    return Simplification.model_validate_json(kept) if kept else None


def keep(archive: Archive, elite: Elite, report: Simplification, bench: Bench, spec: CampaignSpec) -> None:
    """Stores the report and, where anything could go, the child with its score against the campaign's baseline."""
    archive.set_value(elite.campaign, _key(elite.id), report.model_dump_json())
    if report.changed:
        maker = Maker("simplify", bench.evaluator, bench.rung, bench.memory, spec, bench.on_run)
        keep_child(archive, maker, elite, report.text, bench.gates(report.text))


def _key(program_id: str) -> str:
    return f"simplify:{program_id}"
