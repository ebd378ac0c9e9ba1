"""Meta-training on small probes: a run that was killed and taken up again is the run that never was."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from archive.baseline.spec import BaselineSpec, MetaSettings, TaskEntry
from archive.baseline.training import MetaTraining
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
        meta=MetaSettings(steps=steps, updates=2, validation_length=4, recorded=False),
    )


def test_a_killed_run_goes_on_to_the_same_end(tmp_path: Path) -> None:
    MetaTraining(spec(), tmp_path / "whole").run()
    code = (
        "import sys; from pathlib import Path\n"
        "from archive.baseline.spec import BaselineSpec; from archive.baseline.training import MetaTraining\n"
        "MetaTraining(BaselineSpec.model_validate_json(sys.argv[1]), Path(sys.argv[2])).run()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, spec().model_dump_json(), str(tmp_path / "killed")])
    curves = tmp_path / "killed" / "curves.jsonl"
    while not curves.exists() or len(curves.read_text().splitlines()) < 53:
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    resumed = MetaTraining(spec(), tmp_path / "killed")
    assert resumed.step == 50
    resumed.run()
    for name in ("curves.jsonl", "network.safetensors"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


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


def test_a_folder_keeps_to_its_spec(tmp_path: Path) -> None:
    MetaTraining(spec(steps=1), tmp_path).run()
    with pytest.raises(UsageError, match="another spec"):
        MetaTraining(spec(steps=2), tmp_path)


@pytest.mark.parametrize(("field", "value"), [("action_model", "mlp"), ("device", "cuda")])
def test_agents_that_cannot_be_trained_are_refused(field: str, value: str) -> None:
    document = spec().model_dump()
    document["agent"][field] = value
    with pytest.raises(ValueError, match=f"agent.{field} must be"):
        BaselineSpec.model_validate(document)
