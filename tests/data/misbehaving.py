"""Gymnasium worlds that misbehave when they are made, each in one way: what an executor must survive."""

import os
import signal
import subprocess
import sys
import time

import gymnasium
import numpy as np
from gymnasium import spaces


class Quiet(gymnasium.Env):
    """Does no harm: one step an episode."""

    observation_space = spaces.Box(0, 1, (2,), np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self, **kwargs):
        self.misbehave()

    def misbehave(self):
        pass

    def reset(self, *, seed=None, options=None):
        return np.zeros(2, np.float32), {}

    def step(self, action):
        return np.zeros(2, np.float32), 1.0, True, False, {}


class Napper(Quiet):
    def misbehave(self):
        time.sleep(1.0)


class Sleeper(Quiet):
    def misbehave(self):
        time.sleep(600)


class Giant(Quiet):
    """One-hot observations of 64 gigabytes."""

    observation_space = spaces.Discrete(1 << 34)


class Flooder(Quiet):
    def misbehave(self):
        while True:
            print("x" * 10_000)


class Aborter(Quiet):
    def misbehave(self):
        print("about to abort", file=sys.stderr, flush=True)
        os.abort()


class Leaver(Quiet):
    def misbehave(self):
        os._exit(3)


class Raiser(Quiet):
    def misbehave(self):
        raise KeyError("no such thing")


class Suicide(Quiet):
    def misbehave(self):
        os.kill(os.getpid(), signal.SIGKILL)


class Breeder(Quiet):
    """Leaves two processes behind: one in its process group, one that fled into a session of its own. `ORPHAN_MARK` names them."""

    def misbehave(self):
        for session in (False, True):
            code = f"import time; time.sleep(600)  # {os.environ['ORPHAN_MARK']}"
            subprocess.Popen([sys.executable, "-c", code], start_new_session=session)


class EndlessBreeder(Breeder):
    def misbehave(self):
        super().misbehave()
        time.sleep(600)


for world in (Quiet, Napper, Sleeper, Giant, Flooder, Aborter, Leaver, Raiser, Suicide, Breeder, EndlessBreeder):
    gymnasium.register(f"{world.__name__}-v0", entry_point=world, max_episode_steps=10)
