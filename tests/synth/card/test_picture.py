"""Cards as a browser draws them: formulas are there, and nothing sticks out of the page."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from sandbox.rules.references import reference_text
from synth.card.content import text_card
from synth.card.render import to_html

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HEIGHT = 3000
BACKGROUND = 0.99  # of white

pytestmark = [pytest.mark.browser, pytest.mark.skipif(BROWSER is None, reason="there is no chromium here")]


def picture(page: str, width: int, folder: Path) -> np.ndarray:
    """Brightness `[HEIGHT, width]` from 0 to 1."""
    from matplotlib.image import imread

    (folder / "card.html").write_text(page, encoding="utf-8")
    target = folder / "card.png"
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={folder / 'profile'}"]
    command += [f"--window-size={width},{HEIGHT}", f"--screenshot={target}", (folder / "card.html").as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return np.asarray(imread(target))[:, :, :3].mean(-1)


@pytest.mark.parametrize("width", [1000, 700])
@pytest.mark.parametrize("name", ["ppo", "discorl_like", "categorical_retrace"])
def test_nothing_sticks_out_and_formulas_are_drawn(name: str, width: int, tmp_path: Path) -> None:
    page = to_html(text_card(reference_text(name), name, ()))
    drawn = picture(page, width, tmp_path)
    assert drawn.shape == (HEIGHT, width)
    assert (drawn[:, -12:] > BACKGROUND).all(), "the right margin is empty"
    assert (drawn[:, :12] > BACKGROUND).all()
    start, end = page.index('<div class="loss">'), page.index('<ul class="pairs">')
    without = picture(page[:start] + page[end:], width, tmp_path)
    assert (drawn < 0.4).sum() - (without < 0.4).sum() > 500, "the formulas are dark on light"
