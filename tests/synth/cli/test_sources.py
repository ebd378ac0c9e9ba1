"""A program by file, by name and by id."""

from pathlib import Path

import pytest

from archive.records import Proposal, Result
from archive.store import open_archive
from sandbox.errors import ArchiveError, UsageError
from sandbox.language.program import parse
from sandbox.records import Traced
from sandbox.rules.references import reference_text
from synth.cli.sources import find_program, read_file

TEXT = reference_text("reinforce")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path, program = tmp_path / "archive.sqlite", parse(TEXT)
    opened = open_archive(path)
    opened.create_campaign("c", "{}")
    opened.propose(Proposal(campaign="c", number=0, text=TEXT, proposer="mutation", operator="seed"))
    traced = Traced(program=program, graphs={"*": "{}"}).model_dump_json()
    opened.tell(Result(campaign="c", number=0, program_id=program.id, title=program.title, traced=traced))
    opened.close()
    return path


def test_a_file_wins_over_a_reference_of_the_same_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    reference = find_program("ppo", None)
    assert (reference.text, reference.trusted) == (reference_text("ppo"), True)
    Path("ppo").write_text("mine")
    assert (find_program("ppo", None).text, find_program("ppo", None).trusted) == ("mine", False)


def test_a_program_of_the_archive_comes_with_its_graphs(archive: Path) -> None:
    program = parse(TEXT)
    source = find_program(program.id[:6], archive)
    assert (source.name, source.text, source.trusted) == (program.id, TEXT, False)
    assert source.traced is not None
    assert source.traced.program == program


def test_an_id_that_is_not_there(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        find_program("ffffffff", archive)
    with pytest.raises(ArchiveError, match="--archive"):
        find_program("ffffffff", tmp_path / "none.sqlite")


def test_a_file_is_read_as_utf8_and_never_fails_to_decode(tmp_path: Path) -> None:
    path = tmp_path / "p.py"
    path.write_bytes(b"\xef\xbb\xbfx = '\xc3\xa9\xff'")
    assert read_file(str(path)).text == "x = 'é\N{REPLACEMENT CHARACTER}'"
