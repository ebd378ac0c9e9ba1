"""What the slow server answers: programs, other ones for other questions."""

from __future__ import annotations

from archive.records import Prompt
from benchmarks.utilisation import reply
from sandbox.language.program import parse
from sandbox.language.reply import find_program


def test_every_reply_is_a_program_of_its_own() -> None:
    prompt = Prompt(operator="", system="", user="What next?")
    texts = [find_program(reply(prompt, nth)) for nth in range(8)]
    assert len(set(texts)) == 8
    for text in texts:
        assert text is not None
        assert parse(text).heads
