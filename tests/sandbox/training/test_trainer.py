from unittest import mock

import pytest
import torch

from sandbox.errors import ProgramFault, RunFault, UsageError, Verdict
from sandbox.records import Act, AgentSettings, RunResult, Training, TrainJob
from sandbox.tasks.registry import make_task
from sandbox.training.trainer import train, train_rule
from tests.sandbox.training.doubles import ClockTask, FailingRule, MemoryClockTask, PixelClockTask, PolicyGradient, ThreadCounter, job


def numbers(result: RunResult) -> RunResult:
    return result.model_copy(update={"device_seconds": 0.0})


def catch_job(seed: int = 1, steps: int = 20_000) -> TrainJob:
    agent = AgentSettings(num_envs=16, rollout_length=32, learning_rate=1e-2)
    return TrainJob(rule="random", task="probe:catch", agent=agent, steps=steps, seed=seed)


def test_policy_gradient_learns_catch() -> None:
    result = train_rule(PolicyGradient(Training(minibatches=4)), make_task("probe:catch"), catch_job())
    assert result.final_return > 0.8
    assert result.curve[0].score < -0.4
    assert result.diagnostics.entropy < 0.7
    assert result.diagnostics.dead_heads == ()


def test_same_job_same_numbers_other_seed_others() -> None:
    rule = PolicyGradient(Training(epochs=2, minibatches=3, replay_ratio=0.5))
    one, again, other = (train_rule(rule, make_task("probe:catch"), catch_job(seed, 2000)) for seed in (1, 1, 2))
    assert numbers(one) == numbers(again)
    assert one.diagnostics != other.diagnostics


def test_global_random_state_plays_no_part() -> None:
    results = []
    for seed in (1, 2):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            results.append(numbers(train_rule(PolicyGradient(), ClockTask(), job())))
    assert results[0] == results[1]


def test_the_budget_is_rounded_up_to_whole_rollouts() -> None:
    told: list[int] = []
    result = train_rule(PolicyGradient(), ClockTask(), job(steps=33), on_progress=told.append)
    assert told == [16, 32, 48]
    assert result.steps == 48
    assert len(result.curve) == len(result.diagnostics.loss) == 10


def test_every_call_has_the_one_shape_and_state_is_carried() -> None:
    rule = PolicyGradient(Training(epochs=3, minibatches=2, replay_ratio=0.75))  # (4 + 3) // 2 trajectories
    train_rule(rule, ClockTask(), job())
    assert {tuple(batch.rewards.shape) for batch in rule.seen} == {(4, 3)}
    assert {tuple(batch.online["logits"].shape) for batch in rule.seen} == {(5, 3, 2)}
    assert rule.calls == list(range(4 * 3 * 2))


def test_both_networks_see_memory_on_the_scale_of_what_was_acted_on() -> None:
    rule = PolicyGradient()
    train_rule(rule, MemoryClockTask(), job())
    first, scaled = rule.seen[0], PolicyGradient()
    train_rule(scaled, ClockTask(), job())
    assert torch.equal(first.online["value"], first.target["value"])
    assert not torch.allclose(first.online["value"], scaled.seen[0].online["value"])
    assert not torch.allclose(first.online["value"], first.behaviour["value"], atol=1e-3)  # acted on the scale of a newborn


def test_exploration_follows_progress_and_is_over_in_the_exam() -> None:
    rule = PolicyGradient(act=Act(head="logits", kind="epsilon_greedy", epsilon=(1.0, 0.0, 0.5)))
    task = ClockTask()
    train_rule(rule, task, job(steps=64))
    greedy = [batch.behaviour_log_prob.exp().max().item() for batch in rule.seen]
    assert greedy == pytest.approx([0.5, 0.75, 1.0, 1.0])  # 1 - epsilon / 2, at progress 0, 1/4, 1/2 and 3/4
    assert all(len({game[i] for game in task.evaluation[0].taken}) == 1 for i in range(4))


def test_progress_goes_from_a_rollouts_share_to_one() -> None:
    rule = PolicyGradient()
    train_rule(rule, ClockTask(), job(steps=40))
    assert [batch.progress.item() for batch in rule.seen] == pytest.approx([0.4, 0.8, 1.0])


def test_fresh_trajectories_are_in_every_batch_beside_replayed_ones() -> None:
    rule = PolicyGradient(Training(replay_ratio=1.0))
    train_rule(rule, ClockTask(), job(steps=160, replay_capacity=64))
    # Every environment starts at a number of its own, so a trajectory's rewards tell where it comes from.
    for batch in rule.seen:
        assert batch.rewards.shape == (4, 8)
        assert {int(first) // 10 for first in batch.rewards[0].tolist()} == {0, 1, 2, 3}


def test_the_first_pass_is_on_policy_in_heads_and_probabilities() -> None:
    rule = PolicyGradient(Training(epochs=2))
    train_rule(rule, ClockTask(), job(steps=32))
    first, second = rule.seen[2:4]
    torch.testing.assert_close(first.online["value"].detach(), first.behaviour["value"])
    assert not torch.allclose(second.online["value"].detach(), second.behaviour["value"])
    log_prob = torch.log_softmax(first.behaviour["logits"][:-1], -1).gather(-1, first.actions[..., None])[..., 0]
    torch.testing.assert_close(first.behaviour_log_prob, log_prob)


def test_the_slow_parameters_start_equal_and_then_lag() -> None:
    rule = PolicyGradient(Training(epochs=2, target_decay=0.5))
    train_rule(rule, ClockTask(), job(steps=16))
    first, second = rule.seen
    torch.testing.assert_close(first.target["value"], first.online["value"].detach())
    assert not first.target["value"].requires_grad
    assert not torch.allclose(second.target["value"], second.online["value"].detach())


def test_without_decay_the_slow_parameters_are_the_fast_ones() -> None:
    rule = PolicyGradient(Training(epochs=3, target_decay=0.0))
    train_rule(rule, ClockTask(), job(steps=16))
    for batch in rule.seen:
        torch.testing.assert_close(batch.target["value"], batch.online["value"].detach())


def test_views_that_are_not_read_are_zeros_and_change_nothing() -> None:
    full, spared = PolicyGradient(), PolicyGradient(uses=frozenset({"online"}))
    results = [numbers(train_rule(rule, ClockTask(), job())) for rule in (full, spared)]
    assert results[0] == results[1]
    assert all(view.abs().sum() == 0 for batch in spared.seen for view in (*batch.target.values(), *batch.behaviour.values()))
    assert all(batch.behaviour["value"].abs().sum() > 0 for batch in full.seen)


def test_evaluation_seeds_are_apart_and_environments_are_closed() -> None:
    task = ClockTask()
    train_rule(PolicyGradient(), task, job())
    assert set(task.training[0].seeds).isdisjoint(task.evaluation[0].seeds)
    assert task.training[0].closed
    assert task.evaluation[0].closed


def test_the_random_policy_only_sits_the_exam() -> None:
    result = train(catch_job())
    assert result.steps == 0
    assert result.final_return == sum(result.episode_returns) / 16
    assert -1 <= result.final_return < 0
    assert numbers(result) == numbers(train(catch_job()))


def nan(loss: torch.Tensor) -> torch.Tensor:
    return loss * torch.nan


def no_finite_gradient(loss: torch.Tensor) -> torch.Tensor:
    return torch.sqrt(loss * 0)


@pytest.mark.parametrize("how", [nan, no_finite_gradient])
def test_not_finite_is_a_verdict_with_the_step(how) -> None:
    with pytest.raises(RunFault, match="agent step 48") as caught:
        train_rule(FailingRule(how), ClockTask(), job())
    assert caught.value.verdict is Verdict.NOT_FINITE


def not_a_shape(loss: torch.Tensor) -> torch.Tensor:
    return loss.reshape(3, 7)


def constant(loss: torch.Tensor) -> torch.Tensor:
    return loss.detach()


@pytest.mark.parametrize("how", [not_a_shape, constant])
def test_whatever_a_rule_raises_is_a_crash(how) -> None:
    with pytest.raises(RunFault) as caught:
        train_rule(FailingRule(how), ClockTask(), job())
    assert caught.value.verdict is Verdict.CRASHED


def no_memory(loss: torch.Tensor) -> torch.Tensor:
    raise MemoryError


def test_no_memory_is_a_verdict_of_its_own() -> None:
    with pytest.raises(RunFault) as caught:
        train_rule(FailingRule(no_memory), ClockTask(), job())
    assert caught.value.verdict is Verdict.MEMORY_LIMIT


def fault(loss: torch.Tensor) -> torch.Tensor:
    raise RunFault(Verdict.CRASHED, "said by the rule")


def test_what_the_rule_says_itself_is_passed_on() -> None:
    with pytest.raises(ProgramFault, match="said by the rule"):
        train_rule(FailingRule(fault), ClockTask(), job())


def test_too_many_minibatches_are_refused() -> None:
    with pytest.raises(UsageError, match="cannot be cut"):
        train_rule(PolicyGradient(Training(minibatches=8)), ClockTask(), job())


@pytest.mark.parametrize(("task", "torso", "threads"), [(PixelClockTask, "auto", 2), (PixelClockTask, "mlp", 1), (ClockTask, "auto", 1)])
def test_convolutions_alone_take_the_threads_that_were_set(task: type[ClockTask], torso: str, threads: int) -> None:
    rule = ThreadCounter()
    with mock.patch("os.cpu_count", return_value=2):
        train_rule(rule, task(), job(steps=16, torso=torso, threads=2))
    assert rule.threads == [threads]


def test_more_threads_than_cores_are_refused() -> None:
    with mock.patch("os.cpu_count", return_value=2), pytest.raises(UsageError, match=r"agent\.threads is 3 .* 2 cores"):
        train_rule(PolicyGradient(), ClockTask(), job(threads=3))


def test_the_number_of_threads_is_left_as_it_was() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        train_rule(PolicyGradient(), ClockTask(), job(steps=16))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
