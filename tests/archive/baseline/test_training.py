"""Meta-training on small probes: a run that was killed and taken up again is the run that never was."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from archive.baseline.curves import read_curve
from archive.baseline.spec import BaselineSpec, MetaSettings, TaskEntry
from archive.baseline.training import WATCHED, MetaTraining, learning_rate
from sandbox.errors import UsageError
from sandbox.records import AgentSettings
from sandbox.rules.meta.config import EncoderSizes, MetaNetworkConfig
from sandbox.rules.meta.weights import load

TINY = MetaNetworkConfig(
    prediction_size=4,
    num_bins=7,
    max_abs_value=3.0,
    lstm_hidden=4,
    encoder=EncoderSizes(embedding=2, action_channels=(3, 2)),
    policy_channels=3,
    meta_hidden=4,
    meta_input=3,
    meta_encoder=EncoderSizes(embedding=2, action_channels=(3, 2)),
)


def spec(steps: int = 60) -> BaselineSpec:
    return BaselineSpec(
        name="tiny",
        task=(TaskEntry(task="probe:catch", agents=2, lifetimes=(4, 10)),),
        network=TINY,
        agent=AgentSettings(
            torso="mlp-linear",
            hidden=(4,),
            action_model="lstm",
            action_lstm=3,
            action_hidden=3,
            num_envs=2,
            rollout_length=3,
            learning_rate=1e-2,
        ),
        meta=MetaSettings(
            steps=steps, updates=2, validation_length=4, recorded=False, take_off=1e-9, keep_every=20, averaged=min(steps, 20)
        ),
    )


def test_a_killed_run_goes_on_to_the_same_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archive.baseline.training.ENTER_EVERY", 25)
    short = spec(steps=30)
    MetaTraining(short, tmp_path / "whole").run()
    code = (
        "import os, signal, sys; from pathlib import Path; from archive.baseline import training\n"
        "from archive.baseline.spec import BaselineSpec; from archive.baseline.training import MetaTraining\n"
        "training.ENTER_EVERY = 25\n"
        "die = lambda point: point.step == 28 and os.kill(os.getpid(), signal.SIGKILL)\n"
        "MetaTraining(BaselineSpec.model_validate_json(sys.argv[1]), Path(sys.argv[2])).run(die)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, short.model_dump_json(), str(tmp_path / "killed")], check=False)
    assert killed.returncode == -signal.SIGKILL
    with (tmp_path / "killed" / "curves.jsonl").open("a") as curves:
        curves.write('{"step": 29, "lo')  # as a kill in the middle of a line leaves it
    resumed = MetaTraining(short, tmp_path / "killed")
    assert resumed.step == 25
    assert resumed.settled == WATCHED, "what came before the kill is remembered"
    resumed.run()
    for name in ("curves.jsonl", "network-20.safetensors", "network.safetensors"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert read_curve(tmp_path / "whole" / "network-20.safetensors").steps == 20, "what is kept on the way is of its moment"


def test_the_written_network_is_the_learned_one(tmp_path: Path) -> None:
    training = MetaTraining(spec(steps=2), tmp_path)
    before = training.weights
    network = training.run()
    read = load(tmp_path / "network.safetensors")
    assert read.config == TINY
    for name, value in read.named_parameters():
        assert value.equal(network.get_parameter(name))
    for learned in ("trajectory_lstm.linear.weight", "meta_lstm.weight", "y_head.weight", "z_head.bias", "policy_head.weight"):
        assert not read.get_parameter(learned).equal(before[learned]), f"{learned} was not learned"
    assert [json.loads(line)["step"] for line in (tmp_path / "curves.jsonl").read_text().splitlines()] == [1, 2]


def test_the_mean_of_the_last_weights_is_kept(tmp_path: Path) -> None:
    training, seen = MetaTraining(spec(steps=30), tmp_path), []
    network = training.run(lambda point: seen.append(training.weights))
    for name, value in network.named_parameters():
        assert value.allclose(torch.stack([weights[name] for weights in seen[10:]]).mean(0), rtol=0, atol=1e-6)
    assert load(tmp_path / "network-20.safetensors").gate.bias.allclose(
        torch.stack([weights["gate.bias"] for weights in seen[10:20]]).mean(0), rtol=0, atol=1e-6
    ), "what is kept on the way is the mean so far"
    assert not network.gate.bias.equal(seen[-1]["gate.bias"])


def test_a_mean_of_more_steps_than_are_taken_is_refused() -> None:
    with pytest.raises(ValueError, match="averaged = 20 must be at most steps = 10"):
        MetaSettings(steps=10, averaged=20)


def test_worlds_last_for_a_life(tmp_path: Path) -> None:
    [group] = MetaTraining(spec(), tmp_path).groups
    first = group.rows
    group.enter()
    assert group.rows.equal(first), "entering again is entering the same"
    group._bear(0, group.agents[0])
    assert not group.rows[0].equal(first[0])
    assert group.rows[1].equal(first[1])


def test_a_folder_keeps_to_its_spec(tmp_path: Path) -> None:
    MetaTraining(spec(steps=1), tmp_path).run()
    with pytest.raises(UsageError, match="another spec"):
        MetaTraining(spec(steps=2), tmp_path)


def test_a_run_of_an_older_version_is_refused(tmp_path: Path) -> None:
    MetaTraining(spec(steps=1), tmp_path).run()
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    del state["mean"]
    torch.save(state, tmp_path / "state.pt")
    with pytest.raises(UsageError, match="older version"):
        MetaTraining(spec(steps=1), tmp_path)


@pytest.mark.parametrize(("field", "value"), [("action_model", "mlp"), ("device", "cuda")])
def test_agents_that_cannot_be_trained_are_refused(field: str, value: str) -> None:
    document = spec().model_dump()
    document["agent"][field] = value
    with pytest.raises(ValueError, match=f"agent.{field} must be"):
        BaselineSpec.model_validate(document)


def test_the_rate_falls_by_half_a_cosine_and_once_more_from_take_off() -> None:
    meta = MetaSettings(steps=100, learning_rate=3e-3, settled_learning_rate=1e-3, final_learning_rate=1e-4)
    assert learning_rate(0, meta) == pytest.approx(3e-3)
    assert learning_rate(50, meta) == pytest.approx((3e-3 + 1e-4) / 2)
    assert learning_rate(60, meta, settled=60) == pytest.approx(1e-3)
    assert learning_rate(80, meta, settled=60) == pytest.approx((1e-3 + 1e-4) / 2)


def test_a_population_settles_when_gradients_have_grown(tmp_path: Path) -> None:
    base = spec()
    never = MetaTraining(base.model_copy(update={"meta": base.meta.model_copy(update={"take_off": None})}), tmp_path / "never")
    for norm in [1.0] * 2 * WATCHED:
        never._watch(norm)
    assert never.settled is None
    training = MetaTraining(base.model_copy(update={"meta": base.meta.model_copy(update={"take_off": 0.5})}), tmp_path / "grown")
    for norm in [0.1] * WATCHED + [0.9] * (WATCHED // 2):
        training._watch(norm)
    assert training.settled is None, "half of them are not most"
    training._watch(0.9)
    assert training.settled == training.step
    assert {group.learner.costs.policy_entropy for group in training.groups} == {base.meta.settled_policy_entropy}


@pytest.mark.slow
def test_recording_changes_no_bit(tmp_path: Path) -> None:
    small = spec(steps=2)
    recorded = small.model_copy(update={"meta": small.meta.model_copy(update={"recorded": True})})
    weights = [MetaTraining(each, tmp_path / str(number)).run().state_dict() for number, each in enumerate((small, recorded))]
    assert all(value.equal(weights[1][name]) for name, value in weights[0].items())
