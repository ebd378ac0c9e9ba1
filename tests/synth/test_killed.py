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
campaign(spec(evaluations=25), open_archive(Path(sys.argv[1])), jitter=0.03)[0].run()
"""


def test_killed_again_and_again(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    whole = open_archive(None)
    campaign(spec(evaluations=25), whole)[0].run()
    deaths = 0
    for _ in range(40):
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)], cwd=ROOT, stderr=subprocess.DEVNULL)
        seen = path.stat().st_size if path.exists() else -1
        while child.poll() is None and (not path.exists() or path.stat().st_size == seen):
            time.sleep(0.01)
        time.sleep(0.1 + random.random() * 0.4)
        child.send_signal(signal.SIGKILL)
        if child.wait() != -signal.SIGKILL:
            break
        deaths += 1
    assert deaths >= 2
    resumed = open_archive(path, create=False)
    assert story(resumed) == story(whole)
