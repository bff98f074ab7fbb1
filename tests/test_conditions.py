import itertools
import math

import jax
import numpy as np
import pytest

from pfnbo import (
    Categorical,
    Float,
    Int,
    Optimizer,
    Result,
    SettingError,
    Space,
    SpaceError,
    optimize,
)
from pfnbo.maximize.gradient import Region, propose
from pfnbo.space import contains

FINITE = {
    "depth": Int(1, 3),
    "kind": Categorical(("tree", "net", "none")),
    "act": Categorical(("relu", "tanh"), when={"kind": "net"}),
    "second": Int(0, 1, when={"kind": "net", "depth": [2, 3]}),
    "third": Int(2, 4, when={"depth": 3, "second": 1}),
    "leaf": Float(0.0, 1.0, step=0.5, when={"kind": {"tree"}}),
    "only": Categorical(("one",)),
    "always": Int(0, 1, when={"only": "one"}),
}
MIXED = {
    "kind": Categorical(("near", "far")),
    "shift": Float(-1.0, 1.0, when={"kind": "near"}),
    "size": Int(1, 16, log=True, when={"kind": "far"}),
    "rate": Float(1e-3, 1.0, log=True, when={"size": range(3, 17)}),
}


def _all_points():
    """Every point of `FINITE`, told by hand."""
    for depth, kind, always in itertools.product(
        (1, 2, 3), FINITE["kind"].choices, (0, 1)
    ):
        base = dict(depth=depth, kind=kind, only="one", always=always)
        if kind == "tree":
            yield from ({**base, "leaf": v} for v in (0.0, 0.5, 1.0))
        elif kind == "none":
            yield base
        else:
            for act in ("relu", "tanh"):
                inner = {**base, "act": act}
                if depth == 1:
                    yield inner
                    continue
                yield {**inner, "second": 0}
                if depth == 2:
                    yield {**inner, "second": 1}
                else:
                    yield from ({**inner, "second": 1, "third": t} for t in (2, 3, 4))


def _frozen(point):
    return tuple(sorted(point.items()))


def test_every_row_is_every_point_once():
    space, points = Space(FINITE), list(_all_points())
    rows = space.every_row()
    assert space.cardinality == len(points) == len(rows) == len(np.unique(rows, axis=0))
    assert {_frozen(space.decode(r)) for r in rows} == {_frozen(p) for p in points}


@pytest.mark.parametrize(
    "names", [*itertools.permutations(("depth", "kind", "second"))]
)
def test_the_order_of_the_dimensions_does_not_matter(names):
    space = Space({n: FINITE[n] for n in (*names, "act", "third")})
    assert space.cardinality == 3 * 2 + 2 * (1 + 2 + 1 + 3)
    assert len(space.every_row()) == space.cardinality


def test_cardinality_of_many_branches_needs_no_list_of_them():
    chain = {"k0": Int(0, 1)}
    chain |= {f"k{i}": Int(0, 1, when={f"k{i - 1}": 1}) for i in range(1, 40)}
    assert Space(chain).cardinality == 41
    pairs = {}
    for i in range(40):
        pairs[f"p{i}"] = Int(0, 1)
    for i in range(40):
        pairs[f"c{i}"] = Int(0, 2, when={f"p{i}": 1})
    assert Space(pairs).cardinality == 4.0**40
    assert Space({"k": Int(0, 10**6), "x": Float(0, 1, when={"k": 7})}).cardinality == (
        math.inf
    )


@pytest.mark.parametrize("dimensions", [FINITE, MIXED], ids=["finite", "mixed"])
def test_points_survive_the_round_trip(dimensions):
    space = Space(dimensions)
    rows = space.design(200, 0)
    for row in rows:
        point = space.decode(row)
        np.testing.assert_allclose(space.encode(point), row, atol=1e-12)
        np.testing.assert_allclose(space.snap(row), row, atol=1e-12)
    wild = np.random.default_rng(0).uniform(-0.05, 1.05, (300, space.columns))
    expected = np.stack([space.snap(row) for row in wild])
    with jax.enable_x64(True):
        snapped = np.asarray(jax.jit(jax.vmap(space.grid.snap))(wild))
        active = np.asarray(jax.vmap(space.grid.active)(snapped))
    np.testing.assert_allclose(snapped, expected, atol=1e-12)
    np.testing.assert_array_equal(active, space.grid.active(expected, np))


def test_what_is_not_active_is_left_out_and_ignored():
    space = Space(MIXED)
    assert space.decode(space.encode({"kind": "near", "shift": 0.5})).keys() == {
        "kind",
        "shift",
    }
    row = space.encode({"kind": "far", "size": 2})
    for more in ({"rate": 0.1}, {"shift": "nonsense"}, {"rate": np.nan}):
        np.testing.assert_array_equal(
            space.encode({"kind": "far", "size": 2, **more}), row
        )
    np.testing.assert_array_equal(space.encode(["far", None, 2, None]), row)


@pytest.mark.parametrize(
    "point",
    [
        {"kind": "near"},
        {"shift": 0.5},
        {"kind": "far", "size": 3},
        {"kind": "far", "size": 17},
        {"kind": "else", "shift": 0.5},
        {"kind": "near", "shift": 0.5, "other": 1},
    ],
)
def test_points_without_an_active_value_are_refused(point):
    with pytest.raises(SpaceError):
        Space(MIXED).encode(point)


def test_inactive_columns_are_no_distance_to_each_other():
    space = Space(MIXED | {"c": Categorical("uvw", when={"kind": "far"})})
    near = [space.encode({"kind": "near", "shift": s}) for s in (-1.0, 0.7)]
    others = np.arange(space.columns) != 2
    np.testing.assert_array_equal(near[0][others], near[1][others])
    far = [space.encode({"kind": "far", "size": 1, "c": c}) for c in "uvw"]
    gaps = [np.linalg.norm((near[0] - row)[-3:]) for row in far]
    np.testing.assert_allclose(gaps, 1.0)


@pytest.mark.parametrize(
    "dimensions, told",
    [
        ({"a": Int(0, 1, when={"b": 1})}, "names 'b'"),
        ({"a": Int(0, 1, when={"b": 1}), "b": Int(0, 1, when={"a": 1})}, "a -> b -> a"),
        ({"a": Int(0, 1, when={"a": 1})}, "a -> a"),
        ({"a": Int(0, 1), "b": Int(0, 1, when={"a": 2})}, "outside its bounds"),
        ({"a": Int(0, 1), "b": Int(0, 1, when={"a": []})}, "never be active"),
        ({"a": Int(0, 1), "b": Int(0, 1, when="a")}, "wanted {parent"),
        ({"a": Int(0, 1), "b": Int(0, 1, when={})}, "wanted {parent"),
        ({"a": (0, 1), "b": Int(0, 1, when={"a": 1})}, "continuous"),
        ({"a": Categorical("u"), "b": Int(0, 1, when={"a": "v"})}, "wanted one of"),
        (
            {
                "a": Categorical("uv"),
                "b": Int(0, 1, when={"a": "u"}),
                "c": Int(0, 1, when={"a": "v", "b": 1}),
            },
            "never be active",
        ),
    ],
)
def test_conditions_without_meaning_are_refused(dimensions, told):
    with pytest.raises(SpaceError, match=told):
        Space(dimensions)


def test_a_choice_that_is_a_tuple_is_one_value():
    shapes = Categorical(((1, 2), (3,)))
    space = Space({"shape": shapes, "x": Float(0, 1, when={"shape": (1, 2)})})
    assert space.decode(space.encode({"shape": (3,)})) == {"shape": (3,)}


def _score(args, x):
    """Highest where kind is far, size 16 and rate at two thirds."""
    weights, best = args
    return -weights @ (x - best) ** 2


@pytest.mark.parametrize("seed", range(3))
def test_the_maximum_lies_in_a_branch_and_is_legal(seed):
    space = Space(MIXED)
    best = space.encode({"kind": "far", "size": 16, "rate": 0.1})
    taken = np.full((8, space.columns), np.nan)
    start = space.encode({"kind": "near", "shift": 0.3})
    with jax.enable_x64(True):
        region = Region(
            np.zeros(space.columns),
            np.ones(space.columns),
            np.stack([start] * 3),
            taken,
        )
        row, value = propose(
            jax.random.key(seed),
            _score,
            (np.ones(space.columns), best),
            region,
            space.grid,
        )
    np.testing.assert_allclose(row, best, atol=1e-4)
    np.testing.assert_array_equal(space.snap(row), row)


def _conditional(point):
    """Lowest, 0, where kind is far, size 8 and rate 0.1; 0.3 in the other branch."""
    if point["kind"] == "near":
        assert set(point) == {"kind", "shift"}
        return 0.3 + (point["shift"] - 0.2) ** 2
    low = abs(math.log2(point["size"] / 8)) / 4
    assert ("rate" in point) == (point["size"] >= 3)
    return (
        low + (math.log10(point["rate"]) + 1) ** 2 / 4 if "rate" in point else low + 0.5
    )


def test_optimize_finds_the_best_branch(tmp_path):
    result = optimize(_conditional, MIXED, 30, seed=0, acquisition="ei")
    assert result.success and result.fun < 0.02
    assert result.x.keys() == {"kind", "size", "rate"} and result.x["size"] == 8
    rows = np.stack([Space(MIXED).encode(x) for x in result.x_iters])
    assert not any(contains(rows[:i], row) for i, row in enumerate(rows))
    frame = result.to_dataframe()
    assert (
        frame["rate"].isna().sum() == sum("rate" not in x for x in result.x_iters) > 0
    )
    result.save(tmp_path / "run.json")
    loaded = Result.load(tmp_path / "run.json")
    assert loaded.x_iters == result.x_iters
    result.plot("slices", str(tmp_path / "slices.png"))
    more = Optimizer(MIXED, seed=0)
    for x, y in zip(loaded.x_iters, loaded.func_vals, strict=True):
        more.tell(x, y)
    assert more.result().x == result.x


def test_a_finite_space_is_asked_once_each():
    study = Optimizer(FINITE, seed=0, n_initial=100)
    points = study.ask(100)
    assert len(points) == Space(FINITE).cardinality == len({*map(_frozen, points)})


def test_known_constraints_see_the_active_parameters():
    def band(point):
        return point["rate"] - 0.05 if "rate" in point else -1.0

    result = optimize(
        _conditional, MIXED, 14, seed=0, constraints=band, acquisition="ei"
    )
    assert result.x_iters and all(band(x) <= 0 for x in result.x_iters)
    rows = np.stack([Space(MIXED).encode(x) for x in result.x_iters])
    assert len(np.unique(rows, axis=0)) == len(rows)


def test_a_linear_constraint_needs_every_parameter():
    from scipy.optimize import LinearConstraint

    with pytest.raises(SettingError, match="not always active"):
        Optimizer(MIXED, constraints=LinearConstraint(np.ones((1, 4)), ub=[2]))
