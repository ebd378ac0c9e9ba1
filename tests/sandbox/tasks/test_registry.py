"""Names of tasks: what is refused, what is suggested, what is loaded."""

import subprocess
import sys

import pytest

from sandbox.errors import UsageError
from sandbox.tasks.registry import META_TASKS, PROBES, check_name, make_task


@pytest.mark.parametrize(
    ("name", "suggested"),
    [
        ("probe:cach", "probe:catch"),
        ("catch", "probe:catch"),
        ("prob:catch", "probe:catch"),
        ("atari-ram:space_invaders", "atari-ram:SpaceInvaders"),
        ("atari:pong", "atari:Pong"),
        ("atari42:Pong", "atari-42:Pong"),
        ("gymnasium:CartPole-v9", "gymnasium:CartPole-v1"),
        ("gymnasium:", "gymnasium:NAME"),
        ("", "probe:catch"),
        ("gymnasium:my module:Heater-v0", "gymnasium:my_module:Heater-v0"),
        ("gymnasium:my_module:", "gymnasium:my_module:Heater-v0"),
    ],
)
def test_an_unknown_name_is_refused_with_near_ones(name: str, suggested: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_name(name)
    assert suggested in caught.value.remedy


def test_a_users_module_is_not_run_by_checking_its_name() -> None:
    check_name("gymnasium:no_such_module:Heater-v0")


@pytest.mark.parametrize("name", [*PROBES, *META_TASKS])
def test_probes_are_made_under_their_full_names(name: str) -> None:
    task = make_task(name)
    assert task.name == name
    assert task.observation.kind == "vector"


def test_checking_names_loads_no_torch() -> None:
    code = (
        "import sys\n"
        "from sandbox.tasks.registry import check_name\n"
        "assert not {'torch', 'gymnasium', 'ale_py'} & set(sys.modules)\n"
        "for name in ('probe:catch', 'atari:Pong', 'gymnasium:CartPole-v1'): check_name(name)\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
