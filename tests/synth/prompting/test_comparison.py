"""What is said of a program against the baseline, number by number."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from synth.prompting.comparison import Course, compared

CURVES = st.lists(st.none() | st.floats(-1e3, 1e3), max_size=12).map(tuple)


def test_behind_in_the_end_and_furthest_in_the_third_tenth() -> None:
    ours = Course(final=0.5, curve=(None, 0.0, 0.1, 0.5), entropy=1.0)
    theirs = Course(final=0.75, curve=(0.0, 0.1, 0.6, 0.45), entropy=0.2)
    assert compared(ours, theirs) == (
        "It ends 0.25 below the baseline (0.5 against 0.75). The baseline is ahead in 2 of 3 tenths of training, most in the third "
        "(0.1 against 0.6). At the end of training it acts more at random (entropy 1 nats, the baseline's 0.2)."
    )


def test_ahead_all_the_way() -> None:
    words = compared(Course(final=2, curve=(1, 2)), Course(final=1, curve=(0, 2)))
    assert words == "It ends 1 above the baseline (2 against 1). In no tenth of training is the baseline ahead."


@settings(deadline=None)
@given(CURVES, CURVES, st.none() | st.floats(0, 5), st.none() | st.floats(0, 5))
def test_something_is_said_of_any_two_and_nothing_of_one_against_itself(
    one: tuple[float | None, ...], other: tuple[float | None, ...], a: float | None, b: float | None
) -> None:
    assert compared(Course(final=0, curve=one, entropy=a), Course(final=1, curve=other, entropy=b)).startswith("It ends 1 below")
    itself = compared(Course(final=3, curve=one, entropy=a), Course(final=3, curve=one, entropy=a))
    assert itself in {
        "It ends where the baseline does, at 3.",
        "It ends where the baseline does, at 3. In no tenth of training is the baseline ahead.",
    }
