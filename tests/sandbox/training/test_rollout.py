import torch

from sandbox.agents.network import make_network
from sandbox.randomness import torch_stream
from sandbox.records import AgentSettings
from sandbox.training.rollout import Collector, Episodes
from sandbox.training.trajectories import Trajectories
from tests.sandbox.training.doubles import ClockTask, PolicyGradient


def collect(steps: int = 5, envs: int = 2, rollouts: int = 1, bootstraps: bool = True) -> tuple[Trajectories, Episodes, torch.nn.Module]:
    task, rule = ClockTask(), PolicyGradient()
    heads = rule.heads(2)
    network = make_network(task.observation, 2, heads, AgentSettings(hidden=(4,)), torch_stream(0, "network"))
    into = Trajectories.empty(steps, envs, task.observation, heads, 2, torch.device("cpu"))
    collector = Collector(task.make(envs), network, rule.act, bootstraps)
    collector.reset(0)
    for number in range(rollouts):
        episodes = collector.collect(into, 0.0, torch_stream(0, "acting", number))
    return into, episodes, network


def test_rows_mean_what_the_contract_says() -> None:
    # An episode of environment i is 3 + i steps; a reward is the observation it was received after.
    into, episodes, _ = collect()
    assert into.observation[..., 0].T.tolist() == [[0, 1, 2, 0, 1, 2], [10, 11, 12, 13, 10, 11]]
    assert into.rewards.T.tolist() == [[0, 1, 2, 0, 1], [10, 11, 12, 13, 10]]
    assert into.continues.T.tolist() == [[1, 1, 0, 1, 1], [1, 1, 1, 0, 1]]
    assert into.truncated.T.tolist() == [[0, 0, 0, 0, 0], [0, 0, 0, 1, 0]]
    assert episodes.finished.T.tolist() == [[0, 0, 1, 0, 0], [0, 0, 0, 1, 0]]
    assert episodes.score.T.tolist() == [[0, 0, 3, 0, 0], [0, 0, 0, 4, 0]]


def test_the_next_rollout_begins_where_the_last_one_ended() -> None:
    into, _, _ = collect(rollouts=2)
    assert into.observation[:, 0, 0].tolist() == [2, 0, 1, 2, 0, 1]


def test_heads_are_recorded_at_every_row_and_log_prob_is_of_the_action() -> None:
    into, _, network = collect()
    outputs = network(into.observation.flatten(0, 1))
    torch.testing.assert_close(into.heads["value"].flatten(), outputs["value"].detach())
    log_probs = torch.log_softmax(into.heads["logits"][:-1], -1)
    torch.testing.assert_close(into.log_prob, log_probs.gather(-1, into.actions[..., None])[..., 0])


def test_the_last_row_is_spared_where_nobody_reads_it() -> None:
    into, _, _ = collect(bootstraps=False)
    assert into.heads["value"][-1].abs().sum() == 0
    assert into.heads["value"][:-1].abs().sum() > 0
