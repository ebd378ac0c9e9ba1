"""What a prompt tells of the search, built from the archive as it stands: programs with their results, attempts nearby, lessons, remarks.

Only told results are read, and nothing that depends on time or place, so that the same archive gives the same prompt.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from archive.base import Archive
from archive.grid import cell
from archive.records import Attempt, Elite, Mark
from sandbox.records import Descriptor, Evaluation, Record, RefusalRecord, Rung, RunResult, Score, program_id
from sandbox.rules.references import reference_text
from synth.prompting.comparison import Course, compared, mean
from synth.prompting.skills import profile, skill, spread
from synth.remembered import network_evaluation
from synth.spec import CampaignSpec

ATTEMPTS = 8  # of a parent's children
LEADERS = 12  # programs that the insights are drawn from, and as many failures
POOL = 50  # elites among which the most different is looked for
REMARKS = 12  # the newest of each kind
MARKED = 12  # pinned programs, and banned ones


class TaskView(Record):
    """One program on one task: a return a seed, the mean curve of ten points, diagnostics; the same returns of the baseline if known.

    `spread` is the mean of the returns with the lower and the upper end of its interval; None of one seed.
    """

    task: str
    returns: tuple[float, ...]
    spread: tuple[float, float, float] | None = None
    baseline: tuple[float, ...] = ()
    curve: tuple[float | None, ...] = ()
    loss: tuple[float, ...] = ()
    entropy: float | None = None
    value_error: float | None = None
    gradient_norm: dict[str, float] = Field(default_factory=dict)
    dead_heads: tuple[str, ...] = ()


class RungView(Record):
    """One program on one rung."""

    rung: str
    score: Score | None
    verdict: str
    fault: str
    tasks: tuple[TaskView, ...]


class ProgramView(Record):
    """A program as a prompt shows it; `skills` says in words what it masters and what not, `comparison` how it does against the baseline.

    Of a meta-network, which can only be the baseline, `code` is empty: its templates describe it.
    """

    id: str
    title: str
    code: str
    operator: str
    rungs: tuple[RungView, ...] = ()
    refusal: RefusalRecord | None = None
    refused_line: str = ""
    duplicate_of: str | None = None
    remarks: tuple[str, ...] = ()
    skills: str = ""
    comparison: dict[str, str] = Field(default_factory=dict)


class Story(Record):
    """One line about a program: how it ended."""

    id: str
    title: str
    operator: str
    ending: str


class Briefing(Record):
    """Everything a template may show. What is optional may be left out to keep within the budget of tokens."""

    campaign: str
    rungs: tuple[Rung, ...]
    baseline: ProgramView
    example: str = ""
    parents: tuple[ProgramView, ...] = ()
    attempts: tuple[Story, ...] = ()
    best: ProgramView | None = None
    different: ProgramView | None = None
    insights: str = ""
    remarks: tuple[str, ...] = ()
    pinned: tuple[Story, ...] = ()
    banned_ideas: tuple[str, ...] = ()
    banned: tuple[Story, ...] = ()
    leaders: tuple[Story, ...] = ()
    failures: tuple[Story, ...] = ()


class Briefer:
    """Builds briefings for one campaign."""

    def __init__(self, spec: CampaignSpec, archive: Archive) -> None:
        self._spec = spec
        self._archive = archive
        self._name = spec.campaign.name

    def brief(self, parents: Sequence[Elite]) -> Briefing:
        """The briefing for a program that is to be made from these."""
        briefing = self._found(parents) if self._spec.search.strategy == "evolve" else self._bare(parents)
        people = {
            "remarks": self._remarks(None),
            "pinned": self._marked("pin"),
            "banned": self._marked("ban"),
            "banned_ideas": tuple(self._archive.acts.banned_ideas(self._name)),
        }
        return briefing.model_copy(update=people)

    def _marked(self, mark: Mark) -> tuple[Story, ...]:
        """What people have pinned or banned and was scored."""
        found = (self._archive.find(each, self._name) for each in self._archive.acts.marked(self._name, mark))
        return tuple(_story_of(elite, self._spec.rung) for elite in found if elite.score is not None)[-MARKED:]

    def _bare(self, parents: Sequence[Elite]) -> Briefing:
        """What was there before the search: all that an independent sample may know. A parent is a program that is repaired."""
        return Briefing(
            campaign=self._name,
            rungs=self._spec.rung,
            baseline=self.baseline(),
            example=reference_text("ppo"),
            parents=tuple(self._parent(parent) for parent in parents),
        )

    def _found(self, parents: Sequence[Elite]) -> Briefing:
        """What the search has found."""
        told = self._archive.progress(self._name)[1]
        pool = self._archive.top(self._name, POOL)
        shown = {parent.id for parent in parents}
        others = [elite for elite in pool if elite.id not in shown]
        different = _most_different(parents[0], others[1:]) if parents else None
        found = {
            "attempts": self._attempts(parents),
            "best": self.view(others[0]) if others else None,
            "different": self.view(different) if different else None,
            "insights": lessons(self._archive, self._name, told),
            "leaders": tuple(_story_of(elite, self._spec.rung) for elite in pool[:LEADERS]),
            "failures": self._failures(told),
        }
        return self._bare(parents).model_copy(update=found)

    def view(self, elite: Elite) -> ProgramView:
        """A program with all that was found out about it."""
        result = self._archive.result(elite)
        refusal = result.refusal if result else None
        return ProgramView(
            id=elite.id,
            title=elite.title,
            code=elite.text,
            operator=elite.operator,
            rungs=tuple(self._rung(evaluation) for evaluation in result.evaluations) if result else (),
            refusal=refusal,
            refused_line=_line(elite.text, refusal.line) if refusal else "",
            duplicate_of=result.duplicate_of if result else None,
            remarks=self._remarks(elite.id),
            skills=_skills(result.evaluations) if result else "",
        )

    def _parent(self, elite: Elite) -> ProgramView:
        view = self.view(elite)
        return view.model_copy(update={"comparison": _comparison(view, self.baseline())})

    def baseline(self) -> ProgramView:
        """The baseline; a reference with its results where the campaign has proposed it too."""
        network = self._spec.network
        text = reference_text(self._spec.baseline) if network is None else ""
        return ProgramView(
            id=program_id(text) if network is None else network.rule(self._spec.baseline).id,
            title=self._spec.baseline,
            code=text,
            operator="reference" if network is None else "meta-network",
            rungs=tuple(_rung(evaluation, {}) for evaluation in self._baseline_evaluations().values()),
            skills=_skills(tuple(self._baseline_evaluations().values())),
        )

    def _baseline_evaluations(self) -> dict[str, Evaluation]:
        if self._spec.network is not None:
            found = [network_evaluation(self._archive, self._spec, rung) for rung in self._spec.rung]
            return {evaluation.rung: evaluation for evaluation in found if evaluation is not None}
        if self._spec.baseline not in self._spec.references:
            return {}
        result = self._archive.result_of(self._name, self._spec.references.index(self._spec.baseline))
        return {evaluation.rung: evaluation for evaluation in result.evaluations} if result else {}

    def _rung(self, evaluation: Evaluation) -> RungView:
        baseline = self._baseline_evaluations().get(evaluation.rung)
        return _rung(evaluation, _by_task(baseline.runs) if baseline else {})

    def _attempts(self, parents: Sequence[Elite]) -> tuple[Story, ...]:
        found = [attempt for parent in parents for attempt in self._archive.letters.nearby(self._name, parent.id, ATTEMPTS)]
        once = {attempt.id: attempt for attempt in found}.values()
        return tuple(_story(attempt, self._spec.rung) for attempt in list(once)[:ATTEMPTS])

    def _failures(self, told: int) -> tuple[Story, ...]:
        """The newest told proposals that got no score."""
        found = self._archive.letters.newest(self._name, told, 2 * LEADERS)
        return tuple(_story(attempt, self._spec.rung) for attempt in found if attempt.score is None)[:LEADERS]

    def _remarks(self, program: str | None) -> tuple[str, ...]:
        return tuple(note.text for note in self._archive.acts.notes(self._name, program)[-REMARKS:])


def lessons(archive: Archive, campaign: str, told: int) -> str:
    """The newest lessons: a model's, or a person's until a model that knew them has drawn others."""
    drawn, written = archive.letters.last_reply(campaign, "insights", told), archive.acts.lessons(campaign)
    if written is not None and (drawn is None or written.number is None or drawn.number < written.number):
        return written.text
    return drawn.text if drawn else ""


def _rung(evaluation: Evaluation, baseline: dict[str, list[RunResult]]) -> RungView:
    tasks = tuple(_task(task, runs, baseline.get(task, [])) for task, runs in _by_task(evaluation.runs).items())
    return RungView(rung=evaluation.rung, score=evaluation.score, verdict=evaluation.verdict, fault=evaluation.fault, tasks=tasks)


def _skills(evaluations: Sequence[Evaluation]) -> str:
    """The profile over all rungs; the highest one's where two have the same task."""
    runs = {task: runs for evaluation in evaluations for task, runs in _by_task(evaluation.runs).items()}
    found = {task: skill(task, [run.final_return for run in runs]) for task, runs in runs.items()}
    return profile({task: each for task, each in found.items() if each is not None})


def _comparison(view: ProgramView, baseline: ProgramView) -> dict[str, str]:
    """Task to sentences; the highest rung's where two have the same task."""
    theirs = {(rung.rung, task.task): task for rung in baseline.rungs for task in rung.tasks}
    pairs = [(task, theirs.get((rung.rung, task.task))) for rung in view.rungs for task in rung.tasks]
    return {ours.task: compared(_course(ours), _course(other)) for ours, other in pairs if other is not None}


def _course(task: TaskView) -> Course:
    return Course(final=float(np.mean(task.returns)), curve=task.curve, entropy=task.entropy)


def _by_task(runs: Sequence[RunResult]) -> dict[str, list[RunResult]]:
    tasks: dict[str, list[RunResult]] = {}
    for run in runs:
        tasks.setdefault(run.task, []).append(run)
    return tasks


def _task(task: str, runs: Sequence[RunResult], baseline: Sequence[RunResult]) -> TaskView:
    found = [run.diagnostics for run in runs]
    norms = {
        name: mean([each.gradient_norm.get(name) for each in found]) for name in sorted({n for each in found for n in each.gradient_norm})
    }
    return TaskView(
        task=task,
        returns=tuple(run.final_return for run in runs),
        spread=spread([run.final_return for run in runs]),
        baseline=tuple(run.final_return for run in baseline),
        curve=tuple(mean(list(points)) for points in zip(*[[point.score for point in run.curve] for run in runs], strict=False)),
        loss=found[0].loss,
        entropy=mean([each.entropy for each in found]),
        value_error=mean([each.value_error for each in found]),
        gradient_norm={name: value for name, value in norms.items() if value is not None},
        dead_heads=tuple(sorted({name for each in found for name in each.dead_heads})),
    )


def _most_different(elite: Elite, others: Sequence[Elite]) -> Elite | None:
    """The best among those whose cells share the fewest traits with the program's."""
    if elite.descriptor is None:
        return others[0] if others else None
    mine = elite.descriptor
    return max((other for other in others if other.descriptor), key=lambda other: _distance(mine, other.descriptor), default=None)


def _distance(one: Descriptor, other: Descriptor | None) -> int:
    return 0 if other is None else sum(a != b for a, b in zip(cell(one).split("/"), cell(other).split("/"), strict=True))


def _line(text: str, number: int) -> str:
    lines = text.split("\n")
    return lines[number - 1].strip() if 1 <= number <= len(lines) else ""


def _story_of(elite: Elite, rungs: Sequence[Rung]) -> Story:
    return Story(id=elite.id, title=elite.title, operator=elite.operator, ending=_scored(elite.score, elite.rung, rungs))


def _story(attempt: Attempt, rungs: Sequence[Rung]) -> Story:
    if attempt.duplicate_of is not None:
        ending = f"computes the same as {attempt.duplicate_of}"
    elif attempt.refusal is not None:
        place = f", line {attempt.refusal.line}" if attempt.refusal.line else ""
        ending = f"refused by {attempt.refusal.gate} ({attempt.refusal.code}{place}): {attempt.refusal.message}"
    else:
        ending = _scored(attempt.score, attempt.rung, rungs)
    return Story(id=attempt.id, title=attempt.title, operator=attempt.operator, ending=ending)


def _scored(score: Score | None, rung: int | None, rungs: Sequence[Rung]) -> str:
    if score is None or rung is None:
        return "failed in training"
    return f"scored {score.mean:.2f} [{score.low:.2f}, {score.high:.2f}] on {rungs[rung].name}"
