"""Tiny diagnostic worlds, each for one skill that a rule can lack. The table needs no torch; the worlds live in modules of their own.

A probe is decided within seconds, so it tells broken rules from working ones before a larger task is paid for. To add one: write its
module with a `World` (see `sandbox.tasks.probes.world`) and give it a line here.
"""

from __future__ import annotations

from typing import NamedTuple


class Probe(NamedTuple):
    """Where a world lives, the skill it needs, the broken rule that it exposes, and what play is worth there.

    `chance` is the expected score of uniformly random play, `optimum` that of the best policy; None where it depends on the seed.
    """

    module: str
    world: str
    skill: str
    exposes: str
    chance: float | None = None
    optimum: float | None = None


SKILLS: dict[str, Probe] = {
    "catch": Probe(
        "sandbox.tasks.probes.catch",
        "Catch",
        "credit over a few steps",
        "a discount of zero, a loss of the wrong sign",
        chance=-0.75,
        optimum=1.0,
    ),
    "immediate-credit": Probe(
        "sandbox.tasks.probes.immediate_credit",
        "ImmediateCredit",
        "telling good actions from bad ones",
        "a loss of the wrong sign, rewards that are not read or belong to another step",
        chance=4.0,
        optimum=8.0,
    ),
    "delayed-credit": Probe(
        "sandbox.tasks.probes.delayed_credit",
        "DelayedCredit",
        "credit that comes later than the rollout is long",
        "returns that stop at the rollout's end instead of bootstrapping",
        chance=0.0,
        optimum=1.0,
    ),
    "chain": Probe(
        "sandbox.tasks.probes.chain",
        "Chain",
        "exploring past an easy reward",
        "a policy that settles on the first reward it finds",
        chance=0.24274414062500008,
        optimum=2.0,
    ),
    "noisy-rewards": Probe(
        "sandbox.tasks.probes.noisy_rewards",
        "NoisyRewards",
        "averaging over noise",
        "learning from the best rewards seen instead of from their mean",
        chance=10 / 3,
        optimum=10.0,
    ),
    "reward-scale-small": Probe(
        "sandbox.tasks.probes.reward_scale",
        "SmallRewards",
        "rewards of a thousandth",
        "a policy term that is not normalised and drowns in the entropy bonus",
        chance=10 / 3,
        optimum=10.0,
    ),
    "reward-scale-large": Probe(
        "sandbox.tasks.probes.reward_scale",
        "LargeRewards",
        "rewards of a thousand",
        "a value error that swamps the policy, targets without a bound",
        chance=10 / 3,
        optimum=10.0,
    ),
    "off-policy": Probe(
        "sandbox.tasks.probes.off_policy",
        "OffPolicy",
        "learning from what older policies did",
        "returns of old trajectories taken for those of the present policy",
        chance=-7 / 18,
        optimum=7.0,
    ),
    "many-actions": Probe(
        "sandbox.tasks.probes.many_actions",
        "ManyActions",
        "finding one action in eighteen",
        "raising an action without lowering the others, a bonus for entropy that grows with their number",
        chance=10 / 18,
        optimum=10.0,
    ),
    "changing-goal": Probe(
        "sandbox.tasks.probes.changing_goal",
        "ChangingGoal",
        "unlearning",
        "a policy that becomes certain and never tries anything again",
        chance=5.0,
        optimum=10.0,
    ),
}
"""The probes by name, easiest skill first."""

META_WORLDS: dict[str, Probe] = {
    "random-mdp": Probe(
        "sandbox.tasks.probes.random_mdp", "RandomMdp", "whatever a small world may ask for", "one that suits a single world"
    ),
    "corridor": Probe(
        "sandbox.tasks.probes.corridor",
        "Corridor",
        "finding the better end",
        "always going the same way",
        chance=0.18033516420449308,
        optimum=1.0,
    ),
    "wide-bandit": Probe(
        "sandbox.tasks.probes.wide_bandit",
        "WideBandit",
        "finding one action in nine, wherever it is",
        "one that suits a single number of actions",
        chance=10 / 9,
        optimum=10.0,
    ),
}
"""Worlds drawn anew by every `reset(seed)`: for meta-training, where a life is lived in one. They judge no program, since the final exam
would be sat in another world than the one learned in."""

WORLDS: dict[str, Probe] = SKILLS | META_WORLDS
"""All of them."""
