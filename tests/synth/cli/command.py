"""Runs a command as `main` does, in this process."""

from __future__ import annotations

import json
import sys
from typing import Any, NamedTuple

import pytest

from synth.cli.main import main


class Outcome(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def lossmith(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> Outcome:
    monkeypatch.setattr(sys, "argv", ["lossmith", *words])
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    code = ended.value.code
    return Outcome(code if isinstance(code, int) else int(code is not None), out, err)
