"""A house with floor heating, as a Gymnasium environment: keep people warm while they are home, and pay little for it.

One episode is one day of 96 quarter-hours. What is turned on now warms the floor at once and the room hours later, so a good rule has to
give credit over many steps. Importing this module registers `Heater-v0`, and `HeaterCold-v0`, the same house in a colder place.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

HOURS = 0.25  # of one step
STEPS = 96
POWER = (0.0, 1.0, 2.0)  # off, half, full: K the floor gains in an hour
FLOOR_HOURS = 4.0  # in which the floor gives its warmth to the room
ROOM_HOURS = 2.0  # in which the room takes it
LEAK_HOURS = 12.0  # in which the room loses it to the weather
WANTED = 21.0  # degrees Celsius, while somebody is home
ENERGY_COST = 0.15  # of one K in the floor, in units of one K of discomfort for an hour; double in the evening

Seen = NDArray[np.float32]


class Heater(gymnasium.Env[Seen, np.int64]):
    """Actions: off, half, full. Observation: room, floor and outside temperature, the time of day as a point on a circle, somebody home."""

    def __init__(self, outside: float = 5.0) -> None:
        self.outside = outside  # mean over the year, degrees Celsius
        self.action_space = spaces.Discrete(len(POWER))
        self.observation_space = spaces.Box(-10.0, 10.0, (6,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Seen, dict[str, Any]]:
        """Midnight: the house is a little too warm or too cold, and the day's weather is drawn."""
        super().reset(seed=seed)
        self.step_number = 0
        self.room, self.floor = WANTED + self.np_random.normal(0.0, 1.5, size=2)
        self.day = self.outside + self.np_random.normal(0.0, 4.0)
        self.gust = 0.0
        return self._seen(), {}

    def step(self, action: np.int64) -> tuple[Seen, float, bool, bool, dict[str, Any]]:
        """A quarter of an hour. The reward is minus discomfort and minus cost; the day's end is left to the time limit."""
        heat = POWER[int(action)]
        flow = self.floor - self.room
        self.floor += HOURS * (heat - flow / FLOOR_HOURS)
        self.room += HOURS * (flow / ROOM_HOURS - (self.room - self._weather()) / LEAK_HOURS)
        discomfort = min(abs(self.room - WANTED), 5.0) if self._home() else 0.0
        price = ENERGY_COST * (2.0 if 17.0 <= self._hour() < 21.0 else 1.0)
        self.step_number += 1
        self.gust += self.np_random.normal(0.0, 0.3)
        return self._seen(), -HOURS * (discomfort + price * heat), False, False, {}

    def _hour(self) -> float:
        return self.step_number * HOURS % 24.0

    def _home(self) -> bool:
        return not 8.0 <= self._hour() < 16.0

    def _weather(self) -> float:
        """Coldest at four in the morning."""
        return float(self.day + self.gust - 4.0 * np.cos((self._hour() - 4.0) * np.pi / 12.0))

    def _seen(self) -> Seen:
        angle = self._hour() * np.pi / 12.0
        temperatures = ((self.room - WANTED) / 3.0, (self.floor - WANTED) / 5.0, (self._weather() - 5.0) / 10.0)
        return np.clip(np.array([*temperatures, np.sin(angle), np.cos(angle), self._home()], np.float32), -10.0, 10.0)


gymnasium.register("Heater-v0", entry_point=Heater, max_episode_steps=STEPS)
gymnasium.register("HeaterCold-v0", entry_point=Heater, max_episode_steps=STEPS, kwargs={"outside": -3.0})
