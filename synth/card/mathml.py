"""Prints mathematics as MathML Core, which browsers show by themselves: no script, no font from elsewhere. All text is escaped."""

from __future__ import annotations

from html import escape
from typing import Final

from synth.card.notation import GREEK, Cases, Fence, Fraction, Lines, Maths, Name, Number, Operator, Root, Row, Script, Sign

_SIGNS: Final = {"-": "−", "·": "\N{DOT OPERATOR}"}


def mathml(maths: Maths) -> str:
    """One formula as a `math` element, as large as one that stands by itself."""
    return f'<math displaystyle="true" xmlns="http://www.w3.org/1998/Math/MathML">{_tag(maths)}</math>'


def _tag(maths: Maths) -> str:
    match maths:
        case Name(text):
            return _name(text)
        case Operator(text):
            return f'<mi mathvariant="normal">{_text(text)}</mi>'
        case Number(text):
            return f"<mn>{_text(text)}</mn>"
        case Sign(text):
            return _sign(text)
        case Row(items):
            return f"<mrow>{''.join(map(_tag, items))}</mrow>"
        case Script(base, below, above):
            return _scripted(base, below, above)
        case Fraction(over, under):
            return f"<mfrac>{_group(over)}{_group(under)}</mfrac>"
        case Root(of):
            return f"<msqrt>{_tag(of)}</msqrt>"
        case Fence(left, inside, right):
            return f"<mrow>{_fence(left, 'prefix')}{_tag(inside)}{_fence(right, 'postfix')}</mrow>"
        case Cases(condition, yes, no):
            return _cases(condition, yes, no)
        case Lines(items):
            return _lines(items)


def _text(text: str) -> str:
    """As the reader sees it; control characters have been taken out before, a bare `<` or `&` is harmless after this."""
    return escape(text, quote=True)


def _name(text: str) -> str:
    if text in GREEK:
        return f"<mi>{GREEK[text]}</mi>"
    return f"<mi>{_text(text)}</mi>" if len(text) == 1 else f'<mi mathvariant="normal">{_text(text)}</mi>'


def _sign(text: str) -> str:
    if text == " ":
        return '<mspace width="0.2em"/>'
    shown = _SIGNS.get(text, text)
    return f'<mo form="prefix">{_text(shown)}</mo>' if text in "¬" else f"<mo>{_text(shown)}</mo>"


def _scripted(base: Maths, below: Maths | None, above: Maths | None) -> str:
    parts = [_group(one) for one in (base, below, above) if one is not None]
    kind = "msubsup" if len(parts) == 3 else "msub" if above is None else "msup"
    return f"<{kind}>{''.join(parts)}</{kind}>"


def _group(maths: Maths) -> str:
    return f"<mrow>{_tag(maths)}</mrow>" if isinstance(maths, Row) else _tag(maths)


def _fence(text: str, form: str) -> str:
    return f'<mo form="{form}" fence="true" stretchy="true">{_text(text)}</mo>' if text else ""


def _cases(condition: Maths, yes: Maths, no: Maths) -> str:
    first = f"<mtr><mtd>{_tag(yes)}</mtd><mtd><mtext>where&#160;</mtext>{_tag(condition)}</mtd></mtr>"
    second = f"<mtr><mtd>{_tag(no)}</mtd><mtd><mtext>elsewhere</mtext></mtd></mtr>"
    return f'<mrow>{_fence("{", "prefix")}<mtable columnalign="left">{first}{second}</mtable></mrow>'


def _lines(items: tuple[Maths, ...]) -> str:
    indent = '<mspace width="2em"/>'
    rows = (f"<mtr><mtd>{indent + _continued(item) if number else _tag(item)}</mtd></mtr>" for number, item in enumerate(items))
    return f'<mtable displaystyle="true" columnalign="left">{"".join(rows)}</mtable>'


def _continued(maths: Maths) -> str:
    """A later line of a sum. Its sign stands between two terms, though nothing is before it on the line."""
    tag = _tag(maths)
    return tag.replace("<mo>", '<mo form="infix">', 1) if isinstance(maths, Row) and isinstance(maths.items[0], Sign) else tag
