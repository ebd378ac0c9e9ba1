"""What the novelty gate compares: the identity of a program."""

from __future__ import annotations

import hashlib
import json

from sandbox.graph.canonical import structure_hash
from sandbox.language.fingerprint import SHAPE, fingerprint
from sandbox.language.synthetic import head_kind
from sandbox.records import Act, Identity, Program
from sandbox.rules.program_rule import ProgramRule


def identify(rule: ProgramRule) -> Identity:
    """The identity of a traced program."""
    return Identity(structure=structure_hash(rule.graph(SHAPE)), fingerprint=fingerprint(rule), settings=settings_hash(rule.traced.program))


def settings_hash(program: Program) -> str:
    """Hash of TRAINING, ACT and the kinds of the heads.

    A learning rate that is left to the campaign differs from any that is written down, since what the campaign's is cannot be known here.
    """
    acting = next(head for head in program.heads if head.name == program.act.head)
    content = [program.training.model_dump(mode="json"), _act(program.act), head_kind(acting), sorted(map(head_kind, program.heads))]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]


def _act(act: Act) -> dict[str, object]:
    """ACT without the head's name and without the numbers that its kind does not read."""
    unread = {"sample": {"epsilon", "temperature"}, "epsilon_greedy": {"temperature"}, "softmax": {"epsilon"}}
    return act.model_dump(mode="json", exclude={"head", *unread[act.kind]})
