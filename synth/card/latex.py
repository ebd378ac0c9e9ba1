"""Prints mathematics as LaTeX, of plain commands that every renderer knows. Nothing that an author wrote can become a command."""

from __future__ import annotations

import re
from typing import Final

from synth.card.notation import GREEK, Cases, Fence, Fraction, Lines, Maths, Name, Number, Operator, Root, Row, Script, Sign

SIGNS: Final = {
    **{one: one for one in "+-=,!"},
    **{
        "<": r"\lt ",
        ">": r"\gt ",
        "·": r"\cdot ",
        "≤": r"\le ",
        "≥": r"\ge ",
        "≠": r"\ne ",
        "←": r"\leftarrow ",
        "∥": r"\,\|\,",
        "∧": r"\wedge ",
    },
    **{"∨": r"\vee ", "∣": r"\mid ", "¬": r"\neg ", "×": r"\times ", " ": r"\,"},
}
_SPACE: Final = r"\ "
_SPECIAL: Final = re.compile(r"[\\{}$&#^_%~]")
_FENCES: Final = {"(": r"\left(", ")": r"\right)", "[": r"\left[", "]": r"\right]", "|": None, "{": r"\left\{", "": r"\right."}
_KNOWN: Final = frozenset({"log", "exp", "max", "min", "sin", "cos", "tan", "tanh"})


def latex(maths: Maths) -> str:
    """One formula, without dollars around it."""
    match maths:
        case Name(text):
            return _name(text)
        case Operator(text):
            return f"\\{text}" if text in _KNOWN else rf"\operatorname{{{escaped(text).replace(' ', _SPACE)}}}"
        case Number(text):
            return escaped(text)
        case Sign(text):
            return SIGNS[text]
        case Row(items):
            return " ".join(map(latex, items))
        case Script(base, below, above):
            return _scripted(base, below, above)
        case Fraction(over, under):
            return rf"\frac{{{latex(over)}}}{{{latex(under)}}}"
        case Root(of):
            return rf"\sqrt{{{latex(of)}}}"
        case Fence(left, inside, right):
            opening, closing = _FENCES[left] or r"\left|", _FENCES[right] or r"\right|"
            return f"{opening} {latex(inside)} {closing}"
        case Cases(condition, yes, no):
            words = r"\text{where }", r"\text{elsewhere}"
            return rf"\begin{{cases}} {latex(yes)} & {words[0]} {latex(condition)} \\ {latex(no)} & {words[1]} \end{{cases}}"
        case Lines(items):
            first, *others = map(latex, items)
            return r" \\ ".join([rf"\begin{{aligned}} & {first}", *(rf"& \quad {{}} {other}" for other in others)]) + r" \end{aligned}"


def escaped(text: str) -> str:
    """Text in which no character commands anything."""
    return _SPECIAL.sub(lambda found: rf"\{found[0]}" if found[0] in "{}$&#_%" else " ", text)


def _name(text: str) -> str:
    if text in GREEK:
        return f"\\{text}"
    return text if len(text) == 1 and text.isalpha() and text.isascii() else rf"\mathrm{{{escaped(text)}}}"


def _scripted(base: Maths, below: Maths | None, above: Maths | None) -> str:
    written = latex(base)
    if isinstance(base, Script | Row | Fraction):
        written = f"{{{written}}}"
    if below is not None:
        written += f"_{{{latex(below)}}}"
    return written if above is None else f"{written}^{{{latex(above)}}}"
