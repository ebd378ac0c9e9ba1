"""The Atari games by name, without torch: `SpaceInvaders` is the ROM `space_invaders` of the `ale-py` wheel."""

from __future__ import annotations

from functools import cache


@cache
def games() -> dict[str, str]:
    """Name to ROM id of every game that `ale-py` ships, by name."""
    from ale_py import roms  # imports Gymnasium, 0.2 s: only for those who name a game

    return {"".join(word.capitalize() for word in rom.split("_")): rom for rom in roms.get_all_rom_ids()}
