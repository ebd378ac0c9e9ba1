"""The result of tuning in the archive: the report beside its program, the tuned program as a child, scored on the fresh seeds."""

from __future__ import annotations

from archive.base import Archive
from archive.records import Elite
from synth.children import Maker, keep_child
from synth.spec import CampaignSpec
from synth.tune.bench import Bench
from synth.tune.records import Tuning


def keep(archive: Archive, elite: Elite, report: Tuning, bench: Bench, spec: CampaignSpec) -> None:
    """Stores the report and, where anything better was found, the child."""
    archive.set_value(elite.campaign, f"tune:{elite.id}", report.model_dump_json())
    if report.changed:
        maker = Maker("tune", bench.evaluator, bench.rung, bench.memory, spec, bench.on_run)
        keep_child(archive, maker, elite, report.text, bench.gates(report.text))
