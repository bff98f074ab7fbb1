import numpy as np
import pytest

from pfnbo import Int, SettingError, Space
from pfnbo.design import Design
from pfnbo.known import Known


def test_the_design_is_the_sobol_sequence_of_the_space():
    space = Space({"a": (0, 1), "b": (0, 1)})
    design, taken = Design(space, 3), np.zeros((0, 2))
    for _ in range(40):
        taken = np.vstack([taken, design.next(taken)])
    np.testing.assert_array_equal(taken, space.design(40, 3))


@pytest.mark.parametrize("seed", range(3))
def test_a_finite_space_is_gone_through_without_repeats(seed):
    space = Space({"a": Int(0, 6), "b": Int(0, 2)})
    design, taken = Design(space, seed), np.zeros((0, 2))
    for _ in range(21):
        taken = np.vstack([taken, design.next(taken)])
    assert len(np.unique(taken, axis=0)) == 21


@pytest.mark.parametrize("known", [None, lambda x: x["a"] - 0.5])
def test_candidates_are_gone_through_and_nothing_else(known, monkeypatch):
    monkeypatch.setattr("pfnbo.design.DRAWS", 8)  # fewer than there are candidates
    listed = np.random.default_rng(0).uniform(size=(30, 1)) ** 4  # crowded at 0
    space = Space({"a": (0, 1)}, candidates=listed)
    allowed = listed if known is None else listed[listed < 0.5][:, None]
    design = Design(space, 0, known and Known(known, space))
    taken = np.zeros((0, 1))
    for _ in allowed:
        taken = np.vstack([taken, design.next(taken)])
    np.testing.assert_allclose(np.sort(taken[:, 0]), np.sort(allowed[:, 0]))
    assert design.next(taken) is None


def test_known_constraints_are_asked_of_candidates_only():
    price = {0.1: 3.0, 0.2: 20.0}
    space = Space({"a": (0, 1)}, candidates=[{"a": a} for a in price])
    known = Known(lambda x: price[x["a"]] - 10, space)
    assert Design(space, 0, known).next(np.zeros((0, 1)))[0] == 0.1
    with pytest.raises(SettingError, match="closest seen is {'a': 0.1}"):
        Design(space, 0, Known(lambda x: price[x["a"]] - 1, space))
