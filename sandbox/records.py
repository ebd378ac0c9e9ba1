"""The words of the sandbox as frozen records. Read this file first.

Legend of shapes: T steps, B environments, A actions, N any number of observations. Time-major: `[T, B, …]`.
None of these records needs torch, so that reading commands start quickly.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal, NamedTuple, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Record(BaseModel):
    """Base of all records: immutable, and unknown fields are refused. JSON keeps infinities and NaN, which pydantic would turn to null."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=True, ser_json_inf_nan="constants")


class Shape(NamedTuple):
    """The sizes a loss is traced at: `T` steps, `B` environments (one minibatch), `A` actions."""

    T: int
    B: int
    A: int


# ------------------------------------------------------------------------------------------------- the program
class Head(Record):
    """One named output of the network. `size` numbers, for every action when `per_action`.

    `"A"` is (per_action, 1); `n` is (not per_action, n); `("A", n)` is (per_action, n) with `vector` true. A size of 1 is squeezed away,
    except in `("A", 1)`, which keeps its last axis.
    """

    name: str
    per_action: bool
    size: int = Field(ge=1, le=1024)
    vector: bool = False

    def shape(self, num_actions: int) -> tuple[int, ...]:
        """Trailing shape of this head's output: `()`, `(n,)`, `(A,)` or `(A, n)`."""
        if self.per_action:
            return (num_actions, self.size) if self.vector else (num_actions,)
        return () if self.size == 1 else (self.size,)


class Constant(Record):
    """A named number. A float is an input of the graph, tunable between `low` and `high`; an int is structural, baked in."""

    name: str
    value: int | float
    low: float | None = None
    high: float | None = None

    @property
    def structural(self) -> bool:
        """True for an integer: part of what the program is."""
        return isinstance(self.value, int)


class Training(Record):
    """How data is used (the program's `TRAINING`). `learning_rate=None` means the campaign's. By the end of training it has fallen by the
    part `learning_rate_decay` of itself, in a straight line: 1 is to nothing, as PPO's does on Atari (Schulman et al. 2017, table 5)."""

    epochs: int = Field(1, ge=1, le=8)
    minibatches: int = Field(1, ge=1, le=8)
    replay_ratio: float = Field(0.0, ge=0, le=8)
    learning_rate: float | None = Field(None, ge=1e-5, le=1e-2)
    learning_rate_decay: float = Field(0.0, ge=0, le=1)
    max_grad_norm: float = Field(1.0, ge=0.05, le=100)
    weight_decay: float = Field(0.0, ge=0, le=0.1)
    target_decay: float = Field(0.99, ge=0, le=0.9999)

    @property
    def target_lags(self) -> bool:
        """Whether the slow parameters average those before a step, not those after it (so that without decay they are the fast ones)."""
        return False

    @property
    def waits(self) -> bool:
        """Whether nothing is learned until as many trajectories are stored as a batch has."""
        return False


class LearnedTraining(Training):
    """How a learned rule trains: what no program may declare. `max_abs_update` bounds each element of Adam's update before the learning
    rate; the gradient itself is not clipped (Oh et al. 2025). Most of a batch may be replayed, and rates may be higher."""

    replay_ratio: float = Field(0.0, ge=0, le=64)
    learning_rate: float | None = Field(None, ge=1e-5, le=1e-1)
    learning_rate_decay: float = Field(0.0, ge=0, le=0)  # published rules keep their rate
    max_abs_update: float = Field(1.0, gt=0)

    @property
    def target_lags(self) -> bool:
        """As published."""
        return True

    @property
    def waits(self) -> bool:
        """As published."""
        return True


class Act(Record):
    """How a head becomes actions (the program's `ACT`), declared and never code.

    A number may be the name of a float constant, resolved when the program is parsed. `epsilon` is (start, end, fraction of training over
    which it falls linearly). A `("A", n)` head is first reduced by its mean, or by the expectation of its softmax over n even points
    of `support`, then mapped by `transform`.
    """

    head: str
    kind: Literal["sample", "epsilon_greedy", "softmax"] = "sample"
    epsilon: tuple[float, float, float] = (1.0, 0.05, 0.1)
    temperature: float = Field(1.0, gt=0)
    reduce: Literal["mean", "support"] | None = None
    support: tuple[float, float] | None = None
    transform: Literal["signed_hyperbolic"] | None = None


def program_id(text: str) -> str:
    """Twelve hex digits of the text's SHA-256: the same text is the same program."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


class Program(Record):
    """A parsed program: its text and what its declarations say. `loss` and its helpers stay text until they are traced."""

    text: str
    title: str
    description: str
    heads: tuple[Head, ...]
    constants: tuple[Constant, ...] = ()
    training: Training = Training()
    act: Act
    carries_state: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """See `program_id`."""
        return program_id(self.text)

    @property
    def tunable(self) -> tuple[Constant, ...]:
        """The float constants, in the order of the text: inputs of the graph."""
        return tuple(constant for constant in self.constants if not constant.structural)


StateValue: TypeAlias = float | list[float]


class Traced(Record):
    """A program and its verified graphs, as data that can be stored and sent to a worker.

    `graphs` maps `"*"` (one graph for all shapes) or `"T,B,A"` to graph JSON, in the format of `sandbox.graph.verify`. It came out of
    the sandbox, so whoever runs it verifies it again (13-115 ms a graph).
    """

    program: Program
    initial_state: dict[str, StateValue] = {}
    graphs: dict[str, str]

    @property
    def id(self) -> str:
        """The program's."""
        return self.program.id

    @property
    def title(self) -> str:
        """The program's."""
        return self.program.title

    def graph_text(self, shape: Shape) -> str | None:
        """The graph for `shape`, or None if it has to be traced for that shape first."""
        return self.graphs.get("*") or self.graphs.get(",".join(map(str, shape)))


class Identity(Record):
    """What the novelty gate compares. Two programs with equal `key` compute and train the same.

    `structure` is the hash of the canonical graph with constants as inputs; `fingerprint` the hash of the functional fingerprint at the
    declared constants; `settings` the hash of TRAINING, ACT and the heads' sizes.
    """

    structure: str
    fingerprint: str
    settings: str

    @property
    def key(self) -> str:
        """Equal key means duplicate."""
        return hashlib.sha256(f"{self.fingerprint}|{self.settings}".encode()).hexdigest()[:24]


class Descriptor(Record):
    """Where a program stands in the archive's grid."""

    family: Literal["policy", "value", "both"]
    nodes: int
    free_predictions: bool
    carried_state: bool


class GateReport(Record):
    """What the gates found. Exactly one of `refusal` and `traced` is set; `refusal` is `RefusalRecord` of the first gate that said no."""

    traced: Traced | None = None
    identity: Identity | None = None
    descriptor: Descriptor | None = None
    refusal: RefusalRecord | None = None
    seconds: float = 0.0


class RefusalRecord(Record):
    """A `Refusal` as data."""

    gate: str
    code: str
    line: int
    column: int
    message: str
    remedy: str


# ---------------------------------------------------------------------------------------------- tasks and training
class ObservationSpec(Record):
    """What an environment shows: `shape` without the batch axis, `dtype`, and `kind`, which picks the torso."""

    shape: tuple[int, ...]
    dtype: Literal["uint8", "float32"]
    kind: Literal["vector", "ram", "pixels"]


class AgentSettings(Record):
    """The base agent: the same for programs, references and the meta-network."""

    torso: Literal["auto", "mlp", "mlp-linear", "conv", "nature", "impala"] = "auto"
    hidden: tuple[int, ...] = (64, 64)
    action_model: Literal["mlp", "lstm"] = "mlp"  # what `("A", n)` heads come from; the LSTM is DiscoRL's
    action_lstm: int = Field(128, ge=1)
    action_hidden: int = Field(128, ge=1)
    num_envs: int = Field(16, ge=1, le=4096)
    rollout_length: int = Field(32, ge=1, le=1024)
    learning_rate: float = Field(3e-4, gt=0, le=1e-1)
    replay_capacity: int = Field(256, ge=1)  # trajectories of one environment each
    device: str = "cpu"
    threads: int = Field(1, ge=1, le=1024)  # processor threads of one convolutional agent; results depend on it, as sums do


class TaskSettings(Record):
    """What is explicit about a task, in every report. Probes and Gymnasium ids ignore the Atari fields.

    `sticky` is ale's repeat_action_probability; `episode_limit` counts agent steps (27,000 is ALE's half hour at frame skip 4).
    """

    frame_skip: int = 4
    sticky: float = Field(0.25, ge=0, lt=1)
    episodic_life: bool = True
    clip_rewards: bool = True
    episode_limit: int = 27_000


class LearnedRule(Record):
    """A meta-network as an update rule: its file, the SHA-256 that says which one it was, and how agents train with it."""

    name: str
    path: str
    sha256: str
    learning_rate: float = Field(1e-2, ge=1e-5, le=1e-1)
    replay_ratio: float = Field(0.0, ge=0, le=64)  # replayed trajectories for every fresh one

    @property
    def id(self) -> str:
        """Twelve hex digits of everything but where the file lies and what it is called."""
        return program_id(self.model_dump_json(exclude={"name", "path"}))

    @property
    def title(self) -> str:
        """Its name and the beginning of its hash."""
        return f"{self.name}, meta-network {self.sha256[:12]}"


Rule: TypeAlias = Traced | LearnedRule
"""What agents are trained with: a program or a meta-network."""


class TrainJob(Record):
    """One training: one rule, one task, one seed. Everything the result depends on, and nothing else.

    `rule` is a traced program, a meta-network, or `random`: the policy that never learns.
    """

    kind: Literal["train"] = "train"
    rule: Rule | Literal["random"]
    task: str
    task_settings: TaskSettings = TaskSettings()
    agent: AgentSettings = AgentSettings()
    steps: int = Field(ge=1)
    seed: int
    evaluation_episodes: int = Field(16, ge=1)


class CurvePoint(Record):
    """Mean score of the episodes that ended in one tenth of training; None where none ended."""

    step: int
    score: float | None


class Diagnostics(Record):
    """How training went, for people and for the next prompt. Means over the last tenth of training unless said otherwise."""

    entropy: float | None = None  # nats, of the acting distribution
    value_error: float | None = None  # RMS of `value` against observed discounted returns, in their standard deviations
    gradient_norm: dict[str, float] = {}  # per head, of the mean loss with respect to the head's output
    dead_heads: tuple[str, ...] = ()  # heads that never received a gradient
    loss: tuple[float, ...] = ()  # ten points


class RunResult(Record):
    """One finished training. `final_return` is the mean of full, unclipped evaluation episodes on seeds apart from training."""

    task: str
    seed: int
    steps: int
    final_return: float
    episode_returns: tuple[float, ...]
    curve: tuple[CurvePoint, ...]
    diagnostics: Diagnostics = Diagnostics()
    device_seconds: float


class Limits(Record):
    """Bounds of one job in its own process. The parent's clock decides."""

    seconds: float = Field(600.0, gt=0)
    memory_bytes: int = Field(4 << 30, gt=0)  # address space
    output_bytes: int = Field(16 << 20, gt=0)


class GateJob(Record):
    """The trusted half of the gates: verify, sense, fingerprint and cost of one trace. `shapes` are the campaign's (T, B, A)."""

    kind: Literal["gates"] = "gates"
    program: Program
    trace: str  # the sandbox's reply, untrusted JSON
    shapes: tuple[Shape, ...]


class DescribeJob(Record):
    """Asks what a task looks like; answered in a worker, since a Gymnasium id may run the user's own code."""

    kind: Literal["describe"] = "describe"
    task: str
    task_settings: TaskSettings = TaskSettings()


class TaskDescription(Record):
    """The answer to a DescribeJob."""

    task: str
    num_actions: int
    observation: ObservationSpec


Job: TypeAlias = Annotated[TrainJob | GateJob | DescribeJob, Field(discriminator="kind")]


# ---------------------------------------------------------------------------------------------------- the ladder
class Rung(Record):
    """A set of tasks at one fidelity. A program climbs on when the upper end of its score's interval reaches `promote`.

    With `share`, only one whose lower end is among the best share of those that the rung has seen (`archive.halving`) does.
    With `race`, `seeds` is the most: runs are trained one after the other, in a random order, and no more once the whole evaluation would
    clearly end below `promote` and what the archive holds, or clearly above `promote` (`sandbox.racing`); each happens to a program of
    which it is not true in at most `alpha` of all cases. What the archive holds is the program in its cell, or with `keep`, for whoever
    wants the best few and not the best of every kind, the last of the best `keep` on this rung.
    """

    name: str
    tasks: tuple[str, ...] = Field(min_length=1)
    steps: int = Field(ge=1)
    seeds: int = Field(2, ge=1)
    promote: float | None = None
    share: float | None = Field(None, gt=0, le=1)
    race: bool = False
    keep: int | None = Field(None, ge=1)
    alpha: float = Field(0.2, gt=0, le=0.5)  # a bound for any scores; simulations stay far below it
    evaluation_episodes: int = Field(16, ge=1)
    task_settings: TaskSettings = TaskSettings()

    @model_validator(mode="after")
    def _tasks_differ(self) -> Rung:
        if len(set(self.tasks)) != len(self.tasks):
            raise ValueError(f"rung {self.name!r} names a task twice: list each task once")
        if self.share is not None and self.promote is None:
            raise ValueError(f"rung {self.name!r} has `share`, the part that climbs, but no `promote`: it says who climbs at all")
        if self.keep is not None and not self.race:
            raise ValueError(f"rung {self.name!r} has `keep`, what races are run against, but no `race`: add `race = true`")
        return self


class Score(Record):
    """A baseline-normalised score: interquartile mean over tasks x seeds with a 95 % interval (`sandbox.intervals`)."""

    mean: float
    low: float
    high: float
    n: int


class Evaluation(Record):
    """One program on one rung: every run's numbers, and the score if no run failed. `fault` names the first failure.

    `bar` is what a race compared with, and `saved` how many runs it made unnecessary: 0 where it ran to its end. It was `won` by a program
    clearly above what climbs on; where it was not and runs were saved, by nobody.
    """

    rung: str
    score: Score | None
    runs: tuple[RunResult, ...] = ()
    bar: float | None = None
    saved: int = 0
    won: bool = False
    verdict: str = "ok"
    fault: str = ""
    device_seconds: float = 0.0


GateReport.model_rebuild()
