import jax
import numpy as np
import pytest
from scipy.optimize import Bounds

from pfnbo import Categorical, Float, Int, Space, SpaceError

MIXED = {
    "a": Float(-2.0, 3.0),
    "b": Float(0.01, 100.0, log=True),
    "c": Float(0.0, 1.0, step=0.3),
    "d": Int(-3, 4),
    "e": Int(1, 300, log=True),
    "f": Categorical(("red", "green", "blue")),
    "g": Categorical((1, 2, 5), ordered=True),
    "h": Float(7.0, 7.0),
}


@pytest.mark.parametrize(
    "bounds",
    [
        [(0, 1), (-5, 5)],
        np.array([[0, 1], [-5, 5]]),
        Bounds([0, -5], [1, 5]),
        Space({"x0": (0, 1), "x1": (-5, 5)}, keyed=False),
        ((0, 1), Float(-5, 5)),
    ],
)
def test_every_form_of_bounds_gives_the_same_box(bounds):
    space = Space.from_bounds(bounds)
    assert not space.keyed and len(space) == 2
    np.testing.assert_allclose(space.decode(np.array([0.25, 0.5])), [0.25, 0.0])


def test_dict_bounds_give_dict_points_and_floats():
    space = Space.from_bounds({"p": (0, 10), "q": Int(0, 3)})
    point = space.decode(np.array([0.123, 1.0]))
    assert point == {"p": pytest.approx(1.23), "q": 3}
    assert isinstance(point["p"], float) and isinstance(point["q"], int)


def test_scalar_bounds_object_is_one_dimension():
    assert len(Space.from_bounds(Bounds(0.0, 1.0))) == 1


@pytest.mark.parametrize(
    "bounds",
    [
        [],
        {},
        3,
        (0, 1),
        [(1, 0)],
        [(0, np.nan)],
        [(-np.inf, 0)],
        [(-1e308, 1e308)],
        [(0, 1, 2)],
        [("0", "1")],
        [(True, False)],
        [(0, 1j)],
        {"": (0, 1)},
        {1: (0, 1)},
        {"a": Float(0.0, 1.0, log=True)},
        {"a": Float(1e-200, 1e200, log=True)},
        {"a": Float(0.1, 1.0, log=True, step=0.1)},
        {"a": Float(0.0, 1.0, step=0.0)},
        {"a": Float(0.0, 1.0, step=np.nan)},
        {"a": Int(0, 1.5)},
        {"a": Categorical(())},
        {"a": Categorical(("u", "u"))},
        Bounds([0, -np.inf], [1, 5]),
    ],
)
def test_bounds_without_meaning_are_refused(bounds):
    with pytest.raises(SpaceError):
        Space.from_bounds(bounds)


def test_zero_width_dimension_takes_no_column():
    space = Space.from_bounds([(1, 1), (0, 2)])
    assert space.columns == 1
    np.testing.assert_allclose(space.decode(np.array([0.5])), [1, 1])
    np.testing.assert_allclose(space.encode([1, 1]), [0.5])
    with pytest.raises(SpaceError):
        space.encode([1.1, 1])


def test_mixed_points_survive_the_round_trip():
    space = Space(MIXED)
    for row in space.design(64, 3):
        point = space.decode(row)
        again = space.decode(space.encode(point))
        for name, value in point.items():
            if isinstance(value, float):
                assert again[name] == pytest.approx(value, rel=1e-12, abs=1e-12)
            else:
                assert again[name] == value


def test_design_is_legal_and_repeatable():
    space = Space(MIXED)
    rows = space.design(50, 1)
    assert rows.shape == (50, space.columns)
    assert rows.min() >= 0 and rows.max() <= 1
    for row in rows:
        np.testing.assert_allclose(space.snap(row), row, atol=1e-12)
    np.testing.assert_array_equal(rows, space.design(50, 1))
    assert not np.array_equal(rows, space.design(50, 2))
    assert space.design(0, 0).shape == (0, space.columns)


def test_design_spreads_over_the_choices():
    space = Space({"f": Categorical("abcd"), "d": Int(1, 4)})
    points = [space.decode(row) for row in space.design(64, 0)]
    for name, values in {"f": "abcd", "d": (1, 2, 3, 4)}.items():
        counts = [sum(p[name] == v for p in points) for v in values]
        assert min(counts) >= 14


@pytest.mark.parametrize("name", [*MIXED, "all"])
def test_snap_in_jax_equals_snap_on_the_host(name):
    space = Space(MIXED if name == "all" else {"a": (0, 1), name: MIXED[name]})
    rows = np.random.default_rng(0).uniform(-0.05, 1.05, (200, space.columns))
    with jax.enable_x64(True):
        snapped = np.asarray(jax.jit(jax.vmap(space.grid.snap))(rows))
    expected = np.stack([space.snap(row) for row in rows])
    np.testing.assert_allclose(snapped, expected, atol=1e-12)


def test_cardinality_counts_points():
    assert Space({"a": (0, 1)}).cardinality == np.inf
    finite = {n: MIXED[n] for n in "cdfgh"}
    assert Space(finite).cardinality == 4 * 8 * 3 * 3


@pytest.mark.parametrize(
    "point",
    [
        {"c": 0.3},
        {"c": 0.3, "f": "red", "z": 1},
        {"c": 0.31, "f": "red"},
        {"c": 1.2, "f": "red"},
        {"c": 0.3, "f": "pink"},
        {"c": "0.3", "f": "red"},
        {"c": np.nan, "f": "red"},
        {"c": None, "f": "red"},
        [0.3],
        [0.3, "red", 1],
    ],
)
def test_points_outside_the_space_are_refused(point):
    space = Space({"c": MIXED["c"], "f": MIXED["f"]})
    with pytest.raises(SpaceError):
        space.encode(point)


CANS = [{"r": 0.1 + 0.2, "m": "b"}, {"r": 0.7, "m": "a"}, {"r": 0.1 + 0.2, "m": "b"}]
METAL = {"r": (0, 3), "m": Categorical(("a", "b", "c"))}


def test_candidates_come_back_as_they_were_given():
    space = Space(METAL, candidates=CANS)
    assert space.cardinality == 2
    points = [space.decode(row) for row in space.every_row()]
    assert points == CANS[:2]  # to the last digit, and each of them once
    pairs = Space({"x": (-3, 3)}, keyed=False, candidates=[[0.1], [0.3]])
    assert [pairs.decode(row).tolist() for row in pairs.every_row()] == [[0.1], [0.3]]


def test_other_points_may_be_told_where_candidates_are_listed():
    space = Space(METAL, candidates=CANS)
    other = {"r": 1.5, "m": "c"}
    assert space.decode(space.encode(other)) == other


@pytest.mark.parametrize(
    "candidates, message",
    [
        ([], "candidates have no point"),
        ([CANS[0], {"r": 4, "m": "b"}], "candidate 1: .*4"),
        ([{"r": 1}], "candidate 0: .*missing"),
    ],
)
def test_candidates_that_mean_nothing_are_refused(candidates, message):
    with pytest.raises(SpaceError, match=message):
        Space(METAL, candidates=candidates)
