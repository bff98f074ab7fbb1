"""The suite `pfn4sbo_as_released` against values of the published code."""

import json
from pathlib import Path

import numpy as np
import pytest

from pfnbo import problems

# The optima, designs by them, corners and random designs. Keane's bumps lack the corner
# at 0, where the published objective is infinite and ours, for divisors, only huge.
RELEASED = json.loads(Path(__file__).with_name("released.json").read_text())["problems"]
NAMES = problems.suite("pfn4sbo_as_released")


@pytest.mark.parametrize("name", NAMES)
def test_values_are_those_of_the_published_code(name):
    record = RELEASED[name]
    f, g = zip(*map(problems.get(name).evaluate, record["x"]), strict=True)
    ours = np.column_stack([f, g])
    want = np.column_stack([record["f"], record["g"]])
    # Not bit for bit: d*d*d there is d**3 here, sums run in another order, and torch
    # and NumPy differ in the last digit of powers, cosines and exponentials. Where
    # terms cancel, on the boundary of a constraint say, that digit is one of the terms,
    # whose size the median stands for.
    size = np.median(np.abs(want), axis=0)
    np.testing.assert_allclose(ours / size, want / size, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("name", NAMES)
def test_bounds_are_those_of_the_published_code(name):
    np.testing.assert_array_equal(problems.get(name).bounds, RELEASED[name]["bounds"])


def test_values_exist_of_each_problem_and_of_its_corners_and_optimum():
    assert sorted(RELEASED) == sorted(NAMES)
    for name in NAMES:
        problem, x = problems.get(name), np.array(RELEASED[name]["x"])
        assert len(np.unique(x, axis=0)) == len(x) >= 12 and x.shape[1] == problem.dim
        low, high = problem.bounds.T
        assert np.all(x >= low) and np.all(x <= high)
        corners = np.all((x == low) | (x == high), axis=1)
        assert np.sum(corners) >= 3
        far = np.max(np.abs(x - problem.x_star) / (high - low), axis=1)
        assert np.min(far) < 1e-9
