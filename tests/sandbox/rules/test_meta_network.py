"""The meta-network in the trainer: the same seam, job record and numbers as any program."""

from pathlib import Path

import pytest
import torch

from sandbox.errors import UsageError
from sandbox.records import AgentSettings, LearnedRule, RunResult, TrainJob
from sandbox.rules.base import Batch
from sandbox.rules.meta.config import PRESETS
from sandbox.rules.meta.loss import loss_mask
from sandbox.rules.meta.network import MetaNetwork
from sandbox.rules.meta.weights import load, save
from sandbox.rules.meta_network import MetaNetworkRule
from sandbox.training.trainer import train

AGENT = AgentSettings(torso="mlp-linear", hidden=(16,), action_model="lstm", action_lstm=8, action_hidden=8, num_envs=4, rollout_length=8)


@pytest.fixture
def rule(tmp_path: Path) -> LearnedRule:
    import hashlib

    path = tmp_path / "small.safetensors"
    save(MetaNetwork(PRESETS["small"], torch.Generator().manual_seed(0)), path)
    return LearnedRule(name="small", path=str(path), sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def run(rule: LearnedRule, task: str = "probe:catch") -> RunResult:
    job = TrainJob(rule=rule, task=task, agent=AGENT, steps=256, seed=3, evaluation_episodes=4)
    return train(job).model_copy(update={"device_seconds": 0.0})


@pytest.mark.parametrize("task", ["probe:catch", "gymnasium:CartPole-v1"])
def test_it_trains_agents_of_any_number_of_actions_and_gives_the_same_again(rule: LearnedRule, task: str) -> None:
    first = run(rule, task)
    assert first == run(rule, task)
    assert first.diagnostics.dead_heads == ()
    assert set(first.diagnostics.gradient_norm) == {"logits", "y", "z", "aux_pi", "q"}


def test_a_file_that_changed_is_refused(rule: LearnedRule) -> None:
    save(MetaNetwork(PRESETS["small"], torch.Generator().manual_seed(1)), Path(rule.path))
    with pytest.raises(UsageError, match="SHA-256"):
        run(rule)


@pytest.mark.parametrize(("steps", "learned"), [(96, False), (128, True), (256, True)])
def test_nothing_is_learned_until_a_whole_batch_is_stored(rule: LearnedRule, steps: int, learned: bool) -> None:
    """Four environments by eight steps are a rollout; with three replayed trajectories for each fresh one, a batch is four rollouts."""
    job = TrainJob(rule=rule.model_copy(update={"replay_ratio": 3.0}), task="probe:catch", agent=AGENT, steps=steps, seed=3)
    diagnostics = train(job).diagnostics
    assert (diagnostics.dead_heads == ()) == learned
    assert bool(diagnostics.loss) == learned


def test_a_store_smaller_than_a_batch_is_enough(rule: LearnedRule) -> None:
    agent = AGENT.model_copy(update={"replay_capacity": 8})
    job = TrainJob(rule=rule.model_copy(update={"replay_ratio": 3.0}), task="probe:catch", agent=agent, steps=128, seed=3)
    assert train(job).diagnostics.dead_heads == ()


def test_equal_networks_give_equal_files(rule: LearnedRule, tmp_path: Path) -> None:
    save(load(Path(rule.path)), tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == Path(rule.path).read_bytes()


def test_first_steps_of_episodes_are_learned_where_the_network_is_made_for_it() -> None:
    published, ours = PRESETS["disco103"], PRESETS["small"]
    arrived = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 1.0]])
    assert loss_mask(arrived, published).tolist() == [[1, 0], [0, 1], [1, 1]]
    assert loss_mask(arrived, ours).tolist() == [[1, 1], [1, 1], [1, 1]]


@pytest.mark.parametrize(("first_steps", "moves"), [(True, True), (False, False)])
def test_episodes_of_one_step_teach_only_those_who_learn_first_steps(first_steps: bool, moves: bool) -> None:
    config = PRESETS["small"].model_copy(update={"first_steps": first_steps})
    rule = MetaNetworkRule(MetaNetwork(config, torch.Generator().manual_seed(0)))
    generator = torch.Generator().manual_seed(1)

    def heads() -> dict[str, torch.Tensor]:
        shapes = {"logits": (3,), "y": (16,), "z": (3, 16), "aux_pi": (3, 3), "q": (3, 31)}
        return {name: torch.randn(5, 2, *shape, generator=generator) for name, shape in shapes.items()}

    online = {name: head.requires_grad_() for name, head in heads().items()}
    ends = torch.zeros(4, 2)
    batch = Batch(
        actions=torch.randint(3, (4, 2), generator=generator),
        rewards=torch.randn(4, 2, generator=generator),
        continues=ends,
        truncated=ends,
        online=online,
        behaviour=heads(),
        target=heads(),
        behaviour_log_prob=torch.full((4, 2), -1.0),
        progress=torch.tensor(0.0),
    )
    loss, _ = rule(batch, rule.initial_state(torch.device("cpu")))
    loss.backward()
    gradient = online["logits"].grad
    assert gradient is not None
    assert gradient[0].any(), "what came before the batch is taken as no end"
    assert bool(gradient[1:4].any()) == moves
