"""Mathematics as a small tree, which `latex.py` and `mathml.py` print. Texts in it are the author's own: printers make them inert."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

GREEK: Final = {
    **{"alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "zeta": "ζ", "eta": "η", "theta": "θ", "kappa": "κ"},
    **{"lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "pi": "π", "rho": "ρ", "sigma": "σ", "tau": "τ", "phi": "φ", "chi": "χ"},
    **{"psi": "ψ", "omega": "ω"},
}
"""Names that are letters of their own."""


@dataclass(frozen=True)
class Name:
    """A variable, constant or head; one Greek letter where its name is one."""

    text: str


@dataclass(frozen=True)
class Operator:
    """The name of a function, upright: `clip`, `log`."""

    text: str


@dataclass(frozen=True)
class Number:
    """Digits, or words such as a literal that is no number."""

    text: str


@dataclass(frozen=True)
class Sign:
    """A sign between or before things; one of the keys of `latex.SIGNS`."""

    text: str


@dataclass(frozen=True)
class Row:
    """Things side by side."""

    items: tuple[Maths, ...]


@dataclass(frozen=True)
class Script:
    """A base with something below, something above, or both."""

    base: Maths
    below: Maths | None = None
    above: Maths | None = None


@dataclass(frozen=True)
class Fraction:
    """One thing over another."""

    over: Maths
    under: Maths


@dataclass(frozen=True)
class Root:
    """A square root."""

    of: Maths


@dataclass(frozen=True)
class Fence:
    """Something between two of ( ) [ ] | { and nothing (the empty string)."""

    left: str
    inside: Maths
    right: str


@dataclass(frozen=True)
class Cases:
    """One of two values, and the condition of the first."""

    condition: Maths
    yes: Maths
    no: Maths


@dataclass(frozen=True)
class Lines:
    """One formula on several lines, the later ones indented."""

    items: tuple[Maths, ...]


Maths: TypeAlias = Name | Operator | Number | Sign | Row | Script | Fraction | Root | Fence | Cases | Lines


def row(*items: Maths) -> Row:
    """Things side by side."""
    return Row(items)


def bracket(inside: Maths) -> Fence:
    """Something in round brackets."""
    return Fence("(", inside, ")")


def listed(items: list[Maths]) -> Row:
    """Things with commas between."""
    joined: list[Maths] = []
    for item in items:
        joined += [Sign(","), item] if joined else [item]
    return Row(tuple(joined))


def apply(name: str, *arguments: Maths) -> Row:
    """A function's upright name and its arguments in brackets."""
    return row(Operator(name), bracket(listed(list(arguments))))
