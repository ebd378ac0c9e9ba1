"""Emulators: loaded once per process, started from saved states, with all chance outside them.

What ALE gives (0.12): `random_seed` is read by `loadROM` alone, which takes 0.1 s; a state restored with its random numbers continues
identically in any interface, used or new. So an emulator is loaded once, with seed 0 and sticky actions off, which leaves it without any
chance, and each episode starts by restoring one of 31 saved states, 0 to 30 no-ops after the game's beginning. Stickiness is played here,
frame by frame as ALE does it, from a generator of ours. Hence the same seed gives the same run, whatever the process did before.
"""

from __future__ import annotations

from functools import cache

import ale_py
from ale_py import roms

from sandbox.tasks.atari_games import games

MAX_NOOPS = 30
"""Most frames without input before an episode."""

ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)  # no banner for every emulator


class Cartridge:
    """One game: its actions, and the states in which its episodes start."""

    def __init__(self, game: str) -> None:
        rom = roms.get_rom_path(games()[game])
        assert rom is not None, game
        self._rom = rom
        self._idle: list[ale_py.ALEInterface] = []
        first = self._load()
        self.actions: list[int] = [action.value for action in first.getMinimalActionSet()]
        self._starts: list[ale_py.ALEState] = [first.cloneState(include_rng=True)]
        self._idle.append(first)

    def take(self, count: int) -> list[ale_py.ALEInterface]:
        """Emulators for the caller alone, in no particular state: idle ones first, then newly loaded ones."""
        return [self._idle.pop() if self._idle else self._load() for _ in range(count)]

    def give_back(self, emulators: list[ale_py.ALEInterface]) -> None:
        """The emulators may be taken again."""
        self._idle += emulators

    def start(self, emulator: ale_py.ALEInterface, noops: int) -> None:
        """A new game, `noops` frames after its beginning."""
        while len(self._starts) <= noops:
            emulator.restoreState(self._starts[-1])
            emulator.act(0)
            self._starts.append(emulator.cloneState(include_rng=True))
        emulator.restoreState(self._starts[noops])

    def _load(self) -> ale_py.ALEInterface:
        emulator = ale_py.ALEInterface()
        emulator.setInt("random_seed", 0)
        emulator.setInt("frame_skip", 1)
        emulator.setFloat("repeat_action_probability", 0.0)
        emulator.loadROM(self._rom)
        return emulator


@cache
def cartridge(game: str) -> Cartridge:
    """The process's one cartridge of that game, kept with its emulators: loading is dear, and restored ones are as good as new."""
    return Cartridge(game)
