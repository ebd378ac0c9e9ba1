"""A card shows what an author wrote and does nothing else: one hostile text a place, in HTML and in Markdown."""

from html.parser import HTMLParser

import pytest

from sandbox.records import AgentSettings, Rung, Score
from sandbox.rules.references import reference_text
from synth.card.content import text_card
from synth.card.records import AncestorCard, Neighbour, RungCard, SkillCard
from synth.card.render import bar, escape_markdown, fenced, prose, text_bar, to_html, to_markdown
from synth.simplify.records import Ground, Simplification, Trial

HOSTILE = "<script>alert(1)</script> [x](javascript:y) \x1b[2J \u202e ``` | <img src=x onerror=z>"
SCORE = Score(mean=0.5, low=0.25, high=0.75, n=4)


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attributes}


def hostile_card():
    text = reference_text("ppo").replace("PPO: clipped policy gradient with generalised advantages.", "PPO <script>alert(1)</script>")
    text = text.replace("Several passes", "<img src=x onerror=z> passes")
    found = Simplification(
        program="a" * 12,
        title=HOSTILE,
        rung=Rung(name=HOSTILE, tasks=(HOSTILE,), steps=1),
        seed=0,
        agent=AgentSettings(),
        tolerance=0.1,
        ablations=(Trial(what=HOSTILE, code=HOSTILE, ground=Ground.FAULT, detail=HOSTILE, difference=SCORE),),
        steps=(),
        text=text,
        result="b" * 12,
        returns={},
        simple_returns={},
    )
    return text_card(text, HOSTILE, (Neighbour(name=HOSTILE, title=HOSTILE, distance=0.5, teaching=0.5, wording=0.5),)).model_copy(
        update={
            "simplification": found,
            "rungs": (RungCard(rung=HOSTILE, tasks=(HOSTILE,), score=SCORE, fault=HOSTILE),),
            "baseline": HOSTILE,
            "skills": (SkillCard(task=HOSTILE, skill=HOSTILE, returns=(1.0,), score=SCORE),),
            "lineage": (AncestorCard(depth=0, id="c" * 12, title=HOSTILE, operator=HOSTILE, score=None),),
            "command": HOSTILE,
            "command_note": HOSTILE,
            "act": HOSTILE,
            "heads": {HOSTILE: HOSTILE},
            "constants": {HOSTILE: HOSTILE},
        }
    )


def test_html_holds_no_tag_or_attribute_of_an_author() -> None:
    page = to_html(hostile_card())
    found = Tags(page)
    assert not found.tags & {"script", "img", "iframe", "object", "a", "link", "form"}
    assert not {name for name in found.attributes if name.startswith("on")} | found.attributes & {"src", "href", "action"}
    assert "default-src 'none'" in page
    assert "http" not in page.replace("http://www.w3.org/1998/Math/MathML", "").replace("http-equiv", "")
    assert not {"\x1b", "\u202e"} & set(page)


def test_markdown_holds_no_html_and_no_link_of_an_author() -> None:
    page = to_markdown(hostile_card())
    outside = page.split("## In code")[0] + page.split("## What each term does")[1].split("## Again")[0]
    prose = "\n".join(line for line in outside.replace(r"\`", "").split("\n") if not line.startswith("$$"))
    inline = "".join(prose.split("`")[::2])  # what stands in no piece of code
    assert "<script" not in inline
    assert "<img" not in inline
    assert "](" not in inline.replace(r"\]", "")
    assert not {"\x1b", "\u202e"} & set(page)


def test_backticks_in_prose_are_code_and_stay_inert() -> None:
    assert prose("`y` of <b>, `a<b`") == "<code>y</code> of &lt;b&gt;, <code>a&lt;b</code>"
    assert prose("one ` alone <i>") == "one ` alone &lt;i&gt;"


def test_a_fence_is_longer_than_any_in_the_text() -> None:
    assert fenced("a\n`````\nb", "python").split("\n")[0] == "``````python"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("# a", r"\# a"), ("1. a", r"1\. a"), ("a-b. c", "a-b. c"), ("a_b|c", r"a\_b\|c"), ("&lt; <b>", r"&amp;lt; &lt;b&gt;")],
)
def test_markdown_is_escaped_no_more_than_needed(text: str, expected: str) -> None:
    assert escape_markdown(text) == expected


def test_bars_end_at_the_baseline_and_at_random_play() -> None:
    scores = [Score(mean=mean, low=0, high=1, n=1) for mean in (-0.3, 0.5, 1.7)]
    assert [bar(score) for score in scores] == [0, 50, 100]
    assert text_bar(scores[1]) == "█████░░░░░"


def test_a_card_says_how_its_program_acts_and_what_it_predicts() -> None:
    card = text_card(reference_text("categorical_retrace"), "categorical_retrace", ())
    assert card.heads == {"q": "41 numbers for every action"}
    assert card.act == "greedy in q, with epsilon from 1 to 0.05 over 50 % of training"
    assert card.constants["lambda_"] == "0.9"
    assert "Not measured" in to_html(card)
