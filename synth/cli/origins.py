"""Commands that work on one program, of an archive or not: where it stands there, and what it is trained on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from archive.records import Elite
from archive.store import SqliteArchive, default_path, open_archive
from sandbox.records import AgentSettings, Rung
from synth.cli.programs import checked_record, task_names
from synth.cli.sources import Source
from synth.spec import CampaignSpec

TASKS = "probe:catch"
STEPS = 20_000
"""Of a program that no campaign has found."""


class Origin(NamedTuple):
    """Where the program stands in the archive, and by what spec it was found."""

    elite: Elite
    spec: CampaignSpec


@contextmanager
def opened_archive(path: Path | None) -> Iterator[SqliteArchive | None]:
    """The archive, if there is one: its runs are not trained again."""
    chosen = default_path(path)
    if path is None and not chosen.exists():
        yield None
        return
    with closing(open_archive(chosen, create=False)) as archive:
        yield archive


def origin_of(archive: SqliteArchive | None, source: Source) -> Origin | None:
    """None for what is not from the archive."""
    if archive is None or source.traced is None:  # only what is found in the archive comes with a trace
        return None
    elite = archive.find(source.name)
    return Origin(elite, CampaignSpec.model_validate_json(archive.campaign_spec(elite.campaign)))


def agent_of(origin: Origin | None) -> AgentSettings:
    """The campaign's, else the usual one."""
    return origin.spec.agent if origin else AgentSettings()


def rung_of(origin: Origin | None, name: str, tasks: str, steps: int | None, seeds: int, episodes: int | None) -> Rung:
    """Tasks and steps as asked, else those of the campaign's first rung. Its name gives seeds that the search has not seen."""
    first = origin.spec.rung[0] if origin else Rung(name="", tasks=(TASKS,), steps=STEPS, evaluation_episodes=64)
    return checked_record(
        Rung,
        name=name,
        tasks=task_names(tasks) if tasks else first.tasks,
        steps=steps or first.steps,
        seeds=seeds,
        evaluation_episodes=episodes or first.evaluation_episodes,
        task_settings=first.task_settings,
    )
