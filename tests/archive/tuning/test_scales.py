"""Lines on which constants are moved: the declared value is where they begin, and they stay where constants may be."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archive.tuning.scales import scale_of
from sandbox.records import Constant

CONSTANTS = {
    "discount": Constant(name="discount", value=0.5),
    "lambda_": Constant(name="lambda_", value=1.0),
    "entropy_cost": Constant(name="entropy_cost", value=0.3),
    "floor": Constant(name="floor", value=-1.0),
    "pull": Constant(name="pull", value=0.0),
    "bounded": Constant(name="bounded", value=0.5, low=-1.0, high=1.0),
    "wide": Constant(name="wide", value=0.1, low=0.001, high=10.0),
    "zero_to_one": Constant(name="zero_to_one", value=0.0, low=0.0, high=1.0),
}


@pytest.mark.parametrize("constant", CONSTANTS.values(), ids=CONSTANTS)
def test_a_constant_begins_at_its_declared_value(constant: Constant) -> None:
    scale = scale_of(constant)
    assert scale.rounded(scale.start) == pytest.approx(constant.value, abs=1e-4)


@settings(deadline=None)
@given(name=st.sampled_from(sorted(CONSTANTS)), away=st.floats(-20, 20))
def test_it_stays_where_it_may_be_and_the_slope_is_the_derivative(name: str, away: float) -> None:
    constant = CONSTANTS[name]
    scale = scale_of(constant)
    z = scale.start + away
    value = scale.value(z)
    low, high = (
        (constant.low, constant.high) if constant.low is not None else (0.0, 1.0) if name in {"discount", "lambda_"} else (None, None)
    )
    if low is not None and high is not None:
        assert low <= scale.rounded(z) <= high
    elif constant.value != 0:
        assert value * constant.value > 0
    if abs(away) < 5 and 1e-3 < 1 / (1 + math.exp(-z)) < 1 - 1e-3:
        assert (scale.value(z + 1e-5) - scale.value(z - 1e-5)) / 2e-5 == pytest.approx(scale.slope(z), rel=1e-6, abs=1e-12)


def test_near_one_a_step_is_a_factor_of_the_distance_to_one() -> None:
    scale = scale_of(Constant(name="discount", value=0.99))
    assert 1 - scale.value(scale.start + math.log(10)) == pytest.approx(0.001, rel=0.02)
    assert scale.rounded(scale.start + math.log(10)) == 0.99899
    assert scale_of(Constant(name="entropy_cost", value=0.3)).value(math.log(0.01)) == pytest.approx(0.01)
