import numpy as np
import pytest

from pfnbo import Categorical, Float, Int, Space, SpaceError


@pytest.mark.parametrize(
    "dimension, values",
    [
        (Float(0.0, 1.0, step=0.3), [0.0, 0.3, 0.6, 0.9]),
        (Int(-1, 2), [-1, 0, 1, 2]),
        (Int(1, 4, log=True), [1, 2, 3, 4]),
        (Categorical((1, 2, 5), ordered=True), [1, 2, 5]),
        (Float(7.0, 7.0), [7.0]),
    ],
)
def test_every_value_has_a_place_of_its_own(dimension, values):
    places = [dimension.position("a", value) for value in values]
    assert dimension.levels == len(values) and places == sorted(set(places))
    assert [dimension.at(u) for u in places] == pytest.approx(values)


def test_the_last_step_does_not_leave_the_bounds():
    dimension = Float(-10.2, 10.2, step=0.1)
    assert dimension.levels == 205 and dimension.at(1.0) == 10.2 == dimension.nth(204)


def test_reversed_bounds_suggest_the_right_order():
    with pytest.raises(SpaceError, match=r"Did you mean \(1.0, 2.0\)"):
        Space.from_bounds([(2, 1)])


def test_ends_of_log_scales_are_reached_exactly():
    space = Space({"b": Float(0.01, 100.0, log=True), "e": Int(1, 300, log=True)})
    assert space.decode(np.zeros(2)) == {"b": 0.01, "e": 1}
    assert space.decode(np.ones(2)) == {"b": 100.0, "e": 300}


@pytest.mark.parametrize("value", [1.5, 5, np.nan, np.inf])
def test_integers_must_be_whole_and_inside(value):
    with pytest.raises(SpaceError):
        Space({"d": Int(-3, 4)}).encode({"d": value})
