"""Puts the exported file together: our template, the program's own text, and the toolkit functions it uses."""

from __future__ import annotations

from importlib import resources

from jinja2 import Environment, StrictUndefined

from sandbox.language.program import parse
from sandbox.records import AgentSettings, Program, Training
from synth.export.parts import Parts, split
from synth.export.toolkit import toolkit_source, used_functions

TEMPLATE = "agent.py.j2"


def export(text: str, agent: AgentSettings) -> str:
    """The whole file for a valid program. Raises Refusal for a text that is none, UsageError where names collide.

    Of `agent` counts what the file has: hidden layers, environments, rollout length, replay's capacity and the learning rate for programs
    that set none. Observations are flattened.
    """
    program, parts = parse(text), split(text)
    names = used_functions(text) | ({"signed_parabolic"} if program.act.transform else set())
    numbers, methods = toolkit_source(names)
    source = resources.files(__package__).joinpath("templates", TEMPLATE).read_text(encoding="utf-8")
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    return environment.from_string(source).render(
        program=program,
        parts=parts,
        act=program.act,
        agent=agent,
        numbers=numbers,
        methods=methods,
        settings=_settings(program, parts, agent),
        vectors=any(head.vector for head in program.heads),
        plain=any(not head.vector for head in program.heads),
        replayed=round(agent.num_envs * program.training.replay_ratio),
        slots=max(1, agent.replay_capacity // agent.num_envs),
        constants="CONSTANTS" if "CONSTANTS" in parts.declared else "{}",
    )


def _settings(program: Program, parts: Parts, agent: AgentSettings) -> dict[str, str]:
    """How the file reads each setting of TRAINING: from the program's own table where it stands there, else as a number."""
    values = program.training.model_copy(update={"learning_rate": program.training.learning_rate or agent.learning_rate})
    return {name: f'TRAINING["{name}"]' if name in parts.settings else f"{getattr(values, name):g}" for name in Training.model_fields}
