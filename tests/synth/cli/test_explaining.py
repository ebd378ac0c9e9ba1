"""`simplify`, `card` and `export` as a person or a script meets them."""

from pathlib import Path

import pytest

from sandbox.rules.references import reference_text
from tests.synth.cli.conftest import Command


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["export", "ppoo"], "ppo"),
        (["export", "ppo", "--out", "no/such/folder/agent.py"], "No such file"),
        (["card", "ppoo"], "ppo"),
        (["simplify", "ppo", "--tasks", "probe:catsh"], "probe:catch"),
        (["simplify", "ppo", "--seeds", "1"], "seeds"),
    ],
)
def test_what_cannot_be_asked_exits_2_and_says_why(command: Command, arguments: list[str], word: str) -> None:
    done = command(*arguments)
    assert (done.code, done.out) == (2, "")
    assert word in done.err


def test_an_id_needs_an_archive(command: Command) -> None:
    assert command("export", "abcdef").code == 5


def test_a_text_that_is_no_program_is_refused(command: Command) -> None:
    Path("bad.py").write_text("print(1)\n")
    done = command("export", "bad.py")
    assert done.code == 1
    assert "docstring" in done.err


def test_export_prints_the_file_or_writes_it(command: Command) -> None:
    printed = command("export", "dqn")
    assert printed.code == 0
    assert printed.out.startswith('"""DQN')
    assert command("export", "dqn", "--out", "agent.py").out == ""
    assert Path("agent.py").read_text() == printed.out
    assert command("export", "dqn", "--json").json["text"] == printed.out


def test_a_card_is_two_files(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synth.cli.card._neighbours", lambda source, unsafe: [])
    done = command("card", "vmpo", "--out", "cards")
    written = [Path(line) for line in done.out.splitlines()]
    assert [path.suffix for path in written] == [".md", ".html"]
    assert all("V-MPO" in path.read_text() for path in written)
    assert command("card", "vmpo", "--json").json["text"] == reference_text("vmpo")
