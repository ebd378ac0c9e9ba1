"""SIGKILL at any instruction, with real processes: the resumed campaign is the one that was never killed."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from archive.store import open_archive
from tests.synth.doubles import campaign, spec, story

ROOT = Path(__file__).parent.parent.parent
CHILD = """
import sys
from pathlib import Path
from archive.store import open_archive
from tests.synth.doubles import campaign, spec
print("up", flush=True)
campaign(spec(evaluations=25), open_archive(Path(sys.argv[1])), jitter=0.05)[0].run()
"""


def test_killed_again_and_again(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    whole = open_archive(None)
    campaign(spec(evaluations=25), whole)[0].run()
    deaths = 0
    for life in range(6):
        command = [sys.executable, "-c", CHILD, str(path)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
            assert child.stdout is not None
            child.stdout.readline()
            if life < 5:
                time.sleep(random.random())
                child.send_signal(signal.SIGKILL)
        deaths += child.returncode == -signal.SIGKILL
    assert deaths >= 2
    resumed = open_archive(path, create=False)
    assert story(resumed) == story(whole)
