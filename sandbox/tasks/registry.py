"""Tasks by name: `probe:catch`, `atari-ram:SpaceInvaders`, `gymnasium:CartPole-v1`. Importing this needs neither torch nor a backend.

A name is `family:world`. Families: `probe` (tiny worlds in torch) · `atari-ram` (128 bytes), `atari-42` and `atari` (stacks of four grey
frames of 42 or 84 pixels) · `gymnasium` (any registered id with discrete actions; `gymnasium:my_module:Heater-v0` imports the user's own
module first).
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING

from sandbox.errors import UsageError
from sandbox.records import TaskSettings
from sandbox.tasks.atari_games import games
from sandbox.tasks.gymnasium_ids import check_id
from sandbox.tasks.probes import META_WORLDS, SKILLS, WORLDS

if TYPE_CHECKING:
    from sandbox.tasks.base import Task  # imports torch

PROBES: tuple[str, ...] = tuple(f"probe:{world}" for world in SKILLS)
"""The full names of the probes for one skill each: what `probes` is short for on the command line."""

META_TASKS: tuple[str, ...] = tuple(f"probe:{world}" for world in META_WORLDS)
"""The full names of the worlds that are drawn anew at every reset."""

BACKENDS = {
    "probe": "sandbox.tasks.probes.world",
    "atari-ram": "sandbox.tasks.ram",
    "atari-42": "sandbox.tasks.pixels",
    "atari": "sandbox.tasks.pixels",
    "gymnasium": "sandbox.tasks.gymnasium",
}
"""Family to the module whose `make_task(name, world, settings)` makes it; imported only when a task is made."""


def make_task(name: str, settings: TaskSettings = TaskSettings()) -> Task:  # noqa: B008 - frozen
    """The task of that name. UsageError names the nearest ones if there is none."""
    check_name(name)
    family, _, world = name.partition(":")
    task: Task = import_module(BACKENDS[family]).make_task(name, world, settings)
    return task


def check_name(name: str) -> None:
    """Raises UsageError with the nearest names unless `name` can be made, as far as that can be known without torch.

    A world of the user's own module is not looked at: that would run the user's code.
    """
    family, colon, world = name.partition(":")
    if family not in BACKENDS or not colon or not world:
        raise UsageError(f"{name!r} is not a task.", _remedy(name, [*PROBES, *(f"{known}:{world or 'NAME'}" for known in BACKENDS)]))
    if family == "probe" and world not in WORLDS:
        raise UsageError(f"There is no probe called {world!r}.", _remedy(name, [*PROBES, *META_TASKS]))
    if family.startswith("atari") and world not in games():
        raise UsageError(f"There is no Atari game called {world!r}.", _remedy(name, (f"{family}:{game}" for game in games())))
    if family == "gymnasium":
        check_id(world)


def _remedy(name: str, known: Iterable[str]) -> str:
    candidates = list(known)
    near = get_close_matches(name, candidates, n=3, cutoff=0.5) or candidates
    return f"Did you mean {', '.join(near)}?"
