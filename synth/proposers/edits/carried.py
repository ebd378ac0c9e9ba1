"""Edits that carry something from call to call: averages that scale, centre or steer."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Final

import numpy as np

from synth.proposers.edits.draft import Draft, expression, log_uniform, pick, statements
from synth.proposers.edits.numbers import Mates
from synth.proposers.edits.printing import sum_of
from synth.proposers.edits.sketch import Sketch, sketch

Maker = Callable[[Draft, Sketch, np.random.Generator], str | None]

_DECAYS: Final = (0.8, 0.9, 0.95, 0.98, 0.99)


def carry_average(draft: Draft, stream: np.random.Generator, mates: Mates) -> str | None:
    """Adds one carried number, kept up by an exponential average, and puts it to use."""
    return pick(stream, _MAKERS)(draft, sketch(draft), stream) if _can_carry(draft) else None


def _can_carry(draft: Draft) -> bool:
    """Whether state can be added: there is none yet, or both ends of it are literal dicts."""
    if draft.result is None:
        return False
    initial = draft.function("initial_state")
    if initial is None:
        return True
    return _initial_dict(draft) is not None and _new_dict(draft) is not None


def _initial_dict(draft: Draft) -> ast.Dict | None:
    initial = draft.function("initial_state")
    last = initial.body[-1] if initial else None
    return last.value if isinstance(last, ast.Return) and isinstance(last.value, ast.Dict) else None


def _new_dict(draft: Draft) -> ast.Dict | None:
    """The literal dict of new state, in the return or assigned to the name returned."""
    value = draft.result.value if draft.result else None
    if not isinstance(value, ast.Tuple) or len(value.elts) != 2:
        return None
    state = value.elts[1]
    if isinstance(state, ast.Name):
        position = draft.assigned(state.id)
        assignment = draft.loss.body[position] if position is not None else None
        state = assignment.value if isinstance(assignment, ast.Assign) else state
    return state if isinstance(state, ast.Dict) else None


def _carry(draft: Draft, name: str, initial: float) -> str:
    """Declares a carried number whose next value is the local of the same name; gives that name."""
    name = draft.fresh(name)
    if draft.function("initial_state") is None:
        function = statements(f'def initial_state(c):\n    """What is carried from call to call."""\n    return {{"{name}": {initial}}}\n')[
            0
        ]
        draft.tree.body.insert(draft.tree.body.index(draft.loss), function)
        draft.loss.args.args.append(ast.arg("state"))
        result = draft.result
        assert result is not None  # _can_carry
        assert result.value is not None
        result.value = ast.Tuple([result.value, expression(f'{{"{name}": {name}}}')], ast.Load())
        return name
    for table, value in ((_initial_dict(draft), repr(initial)), (_new_dict(draft), name)):
        assert table is not None  # _can_carry
        table.keys.append(ast.Constant(name))
        table.values.append(expression(value))
    return name


def _decay(draft: Draft, stream: np.random.Generator) -> str:
    return draft.add_constant("carry_decay", pick(stream, _DECAYS))


def _place(draft: Draft, found: Sketch) -> int | None:
    """Where statements about the advantages may stand: after they are assigned, yet before new state is put together."""
    return None if found.advantage is None else draft.assigned(found.advantage)


def _scaled_advantages(draft: Draft, found: Sketch, stream: np.random.Generator) -> str | None:
    """Divides advantages by a carried average of their size."""
    position = _place(draft, found)
    if position is None:
        return None
    name = _carry(draft, "advantage_size", 1.0)
    draft.insert(
        f"{name} = rl.ema(state.{name}, torch.mean(torch.abs({found.advantage})), c.{_decay(draft, stream)})\n"
        f"{found.advantage} = {found.advantage} / ({name} + 1e-3)",
        position + 1,
    )
    return "advantages over their carried size"


def _spread_advantages(draft: Draft, found: Sketch, stream: np.random.Generator) -> str | None:
    """Divides advantages by the carried spread between two quantiles, never by less than one (after DreamerV3)."""
    position = _place(draft, found)
    if position is None:
        return None
    name = _carry(draft, "spread", 1.0)
    draft.insert(
        f"{name} = rl.ema(state.{name}, torch.quantile({found.advantage}, 0.95) - torch.quantile({found.advantage}, 0.05), "
        f"c.{_decay(draft, stream)})\n"
        f"{found.advantage} = {found.advantage} / torch.clamp({name}, min=1.0)",
        position + 1,
    )
    return "advantages over their carried spread"


def _centred_rewards(draft: Draft, found: Sketch, stream: np.random.Generator) -> str | None:
    """Subtracts a carried average of the rewards from every reward (average-reward learning)."""
    nodes = [node for node in ast.walk(draft.loss) if isinstance(node, ast.Attribute) and ast.unparse(node) == "traj.rewards"]
    if not nodes or draft.mentions("rewards = "):
        return None
    name, rewards = _carry(draft, "mean_reward", 0.0), draft.fresh("rewards")
    for node in nodes:
        draft.replace(node, ast.Name(rewards, ast.Load()))
    first = 1 if isinstance(draft.loss.body[0], ast.Expr) else 0
    share = draft.add_constant("centring", log_uniform(stream, 0.2, 1.0))
    draft.insert(
        f"{rewards} = traj.rewards - c.{share} * state.{name}\n"
        f"{name} = rl.ema(state.{name}, torch.mean(traj.rewards), c.{_decay(draft, stream)})",
        first,
    )
    return "rewards centred by a carried mean"


def _held_entropy(draft: Draft, found: Sketch, stream: np.random.Generator) -> str | None:
    """An entropy price that rises while the policy is surer than wanted and falls otherwise."""
    if found.logits is None or not draft.terms:
        return None
    name = _carry(draft, "log_price", -4.0)
    wanted = draft.add_constant("wanted_entropy", log_uniform(stream, 0.1, 0.9))
    rate = draft.add_constant("price_rate", log_uniform(stream, 0.01, 0.2))
    entropy = draft.fresh("entropy")
    position = _before_state(draft)
    draft.insert(
        f"{entropy} = rl.entropy(traj.online.{found.logits}[:-1])\n"
        f"{name} = torch.clamp(state.{name} + c.{rate} * (c.{wanted} - torch.mean({entropy})), -8.0, 0.0)",
        position,
    )
    draft.set_terms([*draft.terms, (-1, expression(f"torch.exp(state.{name}) * {entropy}"))])
    return "an entropy price that adapts"


def _drift(draft: Draft, found: Sketch, stream: np.random.Generator) -> str | None:
    """A price on leaving the acting policy that follows how far the last steps went."""
    if found.logits is None or not draft.terms:
        return None
    name = _carry(draft, "drift", 0.01)
    price = draft.add_constant("drift_price", log_uniform(stream, 1.0, 20.0))
    divergence = draft.fresh("divergence")
    draft.insert(
        f"{divergence} = rl.kl_divergence(traj.behaviour.{found.logits}[:-1], traj.online.{found.logits}[:-1])\n"
        f"{name} = rl.ema(state.{name}, torch.mean({divergence}), c.{_decay(draft, stream)})",
        _before_state(draft),
    )
    draft.set_terms([*draft.terms, (1, expression(f"torch.clamp(c.{price} * state.{name}, max=2.0) * {divergence}"))])
    return "a price on drift that follows the drift"


def _scaled_errors(draft: Draft, found: Sketch, stream: np.random.Generator) -> str | None:
    """Divides the whole loss of a Q-learner by its carried size."""
    if found.q is None or not draft.terms:
        return None
    name, total = _carry(draft, "loss_size", 1.0), draft.fresh("total")
    average = f"{name} = rl.ema(state.{name}, torch.mean(torch.abs({total})), c.{_decay(draft, stream)})"
    draft.insert(f"{total} = {ast.unparse(sum_of(draft.terms))}\n{average}", _before_state(draft))
    draft.set_terms([(1, expression(f"{total} / torch.clamp({name}, min=0.05)"))])
    return "a loss over its carried size"


def _before_state(draft: Draft) -> int:
    """Index of the statement that puts new state together: the return, or the assignment of the name it returns."""
    value = draft.result.value if draft.result else None
    if isinstance(value, ast.Tuple) and isinstance(value.elts[1], ast.Name):
        position = draft.assigned(value.elts[1].id)
        if position is not None:
            return position
    return len(draft.loss.body) - 1


_MAKERS: Final[tuple[Maker, ...]] = (
    _scaled_advantages,
    _spread_advantages,
    _centred_rewards,
    _held_entropy,
    _drift,
    _scaled_errors,
)
