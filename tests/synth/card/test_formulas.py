"""Formulas read as the field writes them, in both notations, for every construct of the language; hostile text stays text."""

import ast
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from sandbox.rules.references import reference_names, reference_text
from synth.card.expressions import maths
from synth.card.formulas import functions
from synth.card.latex import latex
from synth.card.mathml import mathml

VALID = sorted((Path(__file__).parents[2] / "data" / "programs" / "valid").glob("*.py"))


def written(code: str) -> str:
    return " ".join(latex(maths(ast.parse(code, mode="eval").body)).split())


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("traj.rewards", "r_{t}"),
        ("traj.rewards[1:]", "r_{t + 1}"),
        ("traj.online.value[:-1]", r"\mathrm{value}_{t}^{\theta}"),
        ("traj.behaviour.value[-1]", r"\mathrm{value}_{T}^{\operatorname{old}}"),
        ("traj.target.q[1:]", "q_{t + 1}^{-}"),
        ("traj.behaviour.log_prob", r"\log \, \mu \left( a_{t} \right)"),
        ("c.lambda_", r"\lambda"),
        ("c.a - (c.b - c.d)", r"a - \left( b - d \right)"),
        ("c.a - c.b + c.d", "a - b + d"),
        ("(c.a + c.b) * c.d", r"\left( a + b \right) \cdot d"),
        ("-c.a * c.b", r"- a \cdot b"),
        ("c.a * -c.b", r"a \cdot \left( - b \right)"),
        ("c.a / (c.b + 1)", r"\frac{a}{b + 1}"),
        ("(c.a / c.b) ** 2", r"\left( \frac{a}{b} \right)^{2}"),
        ("traj.target.q ** 2", r"\left( q^{-} \right)^{2}"),
        ("rl.log_prob(c.l, traj.actions)", r"\log \, \pi \left( a_{t} \mid l \right)"),
        ("rl.kl_divergence(c.p, c.q)", r"\operatorname{KL} \left( p \,\|\, q \right)"),
        ("rl.select(traj.online.q[:-1], traj.actions)", r"q_{t}^{\theta} \left( a_{t} \right)"),
        ("torch.clamp(c.x, min=0)", r"\max \left( x , 0 \right)"),
        ("c.x.clamp(-1, 1)", r"\operatorname{clip} \left( x , - 1 , 1 \right)"),
        ("torch.where(c.x > 0, c.x, 0.0)", r"\begin{cases} x & \text{where } x \gt 0 \\ 0 & \text{elsewhere} \end{cases}"),
        ("F.smooth_l1_loss(c.x, c.y, reduction='none')", r"\operatorname{huber} \left( x - y \right)"),
        ("F.mse_loss(c.x, c.y)", r"\operatorname{mse\ loss} \left( x , y \right)"),
        ("torch.sum(c.x, -1)", r"\operatorname{sum}_{\operatorname{last\ axis}} \left( x \right)"),
        ("c.x.detach().float()", r"\operatorname{sg} \left( x \right)"),
        ("torch.sqrt(torch.abs(c.x))", r"\sqrt{\left| x \right|}"),
        ("torch.cat([c.x, c.y])", r"\operatorname{cat} \left( \left( x , y \right) \right)"),
        ("c.value_cost", r"\mathrm{value\_cost}"),
    ],
)
def test_an_expression(code: str, expected: str) -> None:
    assert written(code) == expected


def test_the_loss_of_ppo_and_where_it_comes_from() -> None:
    (loss,) = functions(reference_text("ppo"))
    (result,) = loss.result
    assert result.maths is not None
    assert latex(result.maths) == (
        r"\operatorname{L} = - \mathrm{surrogate} + \mathrm{value\_cost} \cdot  \mathrm{value\_loss}"
        r" - \mathrm{entropy\_cost} \cdot  \operatorname{H} \left[ \mathrm{logits} \right]"
    )
    signs = [latex(line.maths).split(" \\leftarrow ")[0] for line in loss.where if line.maths and "leftarrow" in latex(line.maths)]
    assert signs == [r"\mathrm{advantages}"]  # given a value before, so this is no definition


def test_a_long_sum_has_a_term_a_line_and_their_signs_stand_between_terms() -> None:
    (result,) = functions(reference_text("discorl_like"))[0].result
    assert result.maths is not None
    lines = latex(result.maths).split(r" \\ ")
    assert [line.split(r"\mathrm")[0] for line in lines[1:]] == [r"& \quad {} + "] * 3 + [r"& \quad {} - "]
    assert mathml(result.maths).count('<mo form="infix">+</mo>') == 3
    assert mathml(result.maths).count('<mo form="infix">−</mo>') == 1


def test_state_and_helpers_have_lines_of_their_own() -> None:
    loss, helper = functions(reference_text("vmpo"))
    assert (loss.name, helper.name) == ("loss", "dual_step")
    lines = [latex(line.maths) for line in loss.where if line.maths]
    assert (
        r"\mathrm{log\_eta}^{\operatorname{new}} = \operatorname{dual\ step} \left( \mathrm{log\_eta} , \mathrm{slope\_eta} \right)"
        in lines
    )


def test_a_loop_is_pointed_at() -> None:
    text = (Path(__file__).parents[2] / "data" / "programs" / "valid" / "loop_gae.py").read_text()
    words = [line.words for line in functions(text)[0].where if line.words]
    assert words == ["a loop: see lines 13-16 of the code"]


@pytest.mark.parametrize("text", [*map(reference_text, reference_names()), *(path.read_text() for path in VALID)])
def test_every_program_has_formulas_that_parse(text: str) -> None:
    for function in functions(text):
        for line in (*function.result, *function.where):
            if line.maths is not None:
                ElementTree.fromstring(mathml(line.maths))
                written = latex(line.maths)
                assert written.count("{") == written.count("}")
                assert written.count(r"\left") - written.count(r"\leftarrow") == written.count(r"\right")


def test_nothing_written_becomes_a_tag_or_a_command() -> None:
    node = ast.parse("c.x['<script>&$}\\\\input{x}']", mode="eval").body
    assert "<script>" not in mathml(maths(node))
    assert r"\input" not in latex(maths(node))
