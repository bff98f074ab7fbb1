from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import LinearConstraint, NonlinearConstraint

from pfnbo import (
    GP,
    Cascade,
    Categorical,
    Float,
    Int,
    Optimizer,
    SettingError,
    Space,
    optimize,
)
from pfnbo.known import Known
from pfnbo.maximize.gradient import (
    ROUNDS,
    Region,
    Screen,
    screen,
    slope,
    sobol,
    worth,
)
from pfnbo.maximize.known import STARTS, _allowed, propose

BOX = [(-5.0, 10.0), (0.0, 15.0)]
MIXED = {
    "a": (0.0, 1.0),
    "k": Int(1, 20),
    "m": Categorical(("u", "v", "w")),
    "s": Float(0.0, 2.0, step=0.25),
}


def _branin(x):
    a = x[1] - 5.1 / (4 * np.pi**2) * x[0] ** 2 + 5 / np.pi * x[0] - 6
    return a**2 + 10 * (1 - 1 / (8 * np.pi)) * np.cos(x[0]) + 10


def _disc(x, centre=(0.0, 7.0), radius=4.0):
    return (x[0] - centre[0]) ** 2 + (x[1] - centre[1]) ** 2 - radius**2


def _bowl(args, x):
    return -jnp.sum((x - 0.3) ** 2)


def _dish(middle, x):
    return -jnp.sum((x - middle) ** 2)


def _stairs(middle, x):
    return -jnp.floor(1000 * jnp.max(jnp.abs(x - middle)))


def _mixed(x):
    return [x["k"] + 10 * x["a"] - 15, x["s"] - 1.1 if x["m"] == "u" else -1.0]


def test_the_optimum_on_the_edge_of_a_disc_is_found():
    result = optimize(_branin, BOX, 25, constraints=_disc, seed=0)
    assert max(_disc(x) for x in result.x_iters) <= 1e-7
    # From SLSQP with 50 starts.
    assert abs(result.fun - 2.6947876) < 1e-3
    np.testing.assert_allclose(result.x, [-2.5616, 10.0722], atol=0.02)


@pytest.mark.parametrize(
    "same",
    [
        lambda x: 5 - x[0] - x[1],
        [lambda x: np.array([5 - x[0] - x[1], -1.0])],
        LinearConstraint([[1.0, 1.0]], lb=5),
        LinearConstraint([1.0, 1.0], 5, 100),
        NonlinearConstraint(lambda x: x[0] + x[1], 5, np.inf),
        NonlinearConstraint(lambda x: [x[0] + x[1], 1.0], 5 * np.eye(2)[0], 200),
        {"type": "ineq", "fun": lambda x: x[0] + x[1] - 5},
        ({"type": "ineq", "fun": lambda x, a: x[0] + x[1] - a, "args": (5,)},),
        lambda x: jnp.asarray(5.0) - x[0] - x[1],
    ],
)
def test_every_form_allows_the_same_points(same):
    space = Space.from_bounds(BOX)
    known = Known(same, space)
    rows = space.design(64, 1)
    expected = [np.sum(space.decode(row)) >= 5 for row in rows]
    assert [known.allows(row) for row in rows] == expected
    assert 10 < sum(expected) < 54


def test_a_linear_constraint_on_names_follows_their_order():
    space = Space({"p": (0, 1), "q": Int(0, 4)})
    known = Known(LinearConstraint([[2.0, -1.0]], ub=0), space)
    assert known.allows(space.encode({"p": 1.0, "q": 2}))
    assert not known.allows(space.encode({"p": 1.0, "q": 1}))


def test_a_simplex_in_six_dimensions():
    simplex = LinearConstraint([[1.0] * 6], ub=1)
    result = optimize(
        lambda x: float(np.sum((x - 0.5) ** 2)),
        [(0, 1)] * 6,
        26,
        constraints=simplex,
        seed=0,
    )
    assert max(np.sum(x) for x in result.x_iters) <= 1 + 1e-8
    assert result.fun < 6 / 9 + 0.002


def test_mixed_spaces_are_legal_everywhere_and_solved():
    def cost(x):
        far = (x["a"] - 0.9) ** 2 + (x["k"] - 14) ** 2 / 50 + (x["s"] - 1.5) ** 2
        return far + {"u": 0, "v": 0.3, "w": 1}[x["m"]]

    result = optimize(cost, MIXED, 26, constraints=_mixed, seed=0)
    assert max(max(_mixed(x)) for x in result.x_iters) <= 1e-7
    assert all(isinstance(x["k"], int) for x in result.x_iters)
    assert result.fun < 0.72  # 0.68 by enumeration


@pytest.mark.parametrize("radius", [0.27, 1e-3])  # 1e-3 and 1e-8 of the volume
def test_a_tight_set_is_found_and_searched(radius):
    tight = partial(_disc, centre=(3.1, 2.3), radius=radius)
    result = optimize(_branin, BOX, 10, constraints=tight, seed=0)
    assert result.nfev == 10
    assert max(tight(x) for x in result.x_iters) <= 1e-7
    assert len(np.unique(np.array(result.x_iters), axis=0)) == 10


def test_a_tight_discrete_set_is_found():
    def g(x):
        wrong = 0.0 if x["c"] == "c" else 1.0
        return [abs(x["a"] - 700) - 1, abs(x["b"] - x["a"]) - 1, wrong]

    space = {"a": Int(0, 999), "b": Int(0, 999), "c": Categorical(tuple("abcd"))}
    study = Optimizer(space, constraints=g, seed=0)
    points = study.ask(3)
    assert len(points) == 3 and all(max(g(x)) <= 0 for x in points)


def test_an_allowed_finite_set_is_exhausted():
    bounds = {"a": Int(0, 9), "b": Int(0, 9)}
    result = optimize(
        lambda x: x["a"] - x["b"],
        bounds,
        40,
        constraints=lambda x: x["a"] + x["b"] - 4,
        seed=0,
    )
    assert result.nfev == 15 and result.stop_reason == "exhausted"


def test_batches_are_legal_and_distinct():
    study = Optimizer(BOX, constraints=_disc, seed=0, n_initial=4)
    for x in study.ask(4):
        study.tell(x, _branin(x))
    points = study.ask(4)
    assert len(study.time_suggest) == 4
    assert max(_disc(x) for x in points) <= 1e-7
    assert len(np.unique(points, axis=0)) == 4


def test_black_box_constraints_come_on_top():
    result = optimize(
        lambda x: (_branin(x), x[0] + 1.0), BOX, 12, constraints=_disc, seed=0
    )
    assert result.constraint_names == ("g0",) and result.constr.shape == (12, 1)
    assert max(_disc(x) for x in result.x_iters) <= 1e-7
    assert result.success and result.x[0] <= -1


def test_first_points_are_the_business_of_the_user():
    result = optimize(_branin, BOX, 2, constraints=_disc, x0=[9.0, 1.0], seed=0)
    assert _disc(result.x_iters[0]) > 0 >= _disc(result.x_iters[1])


def test_a_better_point_outside_is_no_incumbent():
    history = ([[9.42478, 2.475], [3.14159, 2.275]], [0.397887, 0.397887])
    result = optimize(_branin, BOX, 20, constraints=_disc, seed=1, history=history)
    assert abs(result.func_vals[2:].min() - 2.6947876) < 1e-2


def test_a_constraint_of_wild_scale_is_held():
    steep = optimize(_branin, BOX, 8, constraints=lambda x: np.expm1(20 * x[0]), seed=0)
    assert max(x[0] for x in steep.x_iters) <= 1e-6


def test_the_same_seed_gives_the_same_run():
    a, b = (
        optimize(_branin, BOX, 7, constraints=_disc, seed=3, n_initial=4)
        for _ in range(2)
    )
    np.testing.assert_array_equal(a.x_iters, b.x_iters)


def test_padding_takes_no_candidate_but_a_taken_row_does():
    centre = np.full((1, 2), 0.5)
    taken = np.concatenate([centre, np.full((31, 2), np.nan)])
    region = Region(np.zeros(2), np.ones(2), np.repeat(centre, 16, 0), taken)
    grid = Space.from_bounds(BOX).grid
    with jax.enable_x64(True):
        key = jax.random.key(0)
        rows, values = map(np.asarray, screen(key, _bowl, None, region, grid, sobol(2)))
    same = np.all(rows == centre, axis=1)
    assert same.any() and np.all(values[same] == -np.inf)
    assert np.isfinite(values[~same]).all()


def _corner():
    """A box of which one corner is allowed, and where to search there."""
    space = Space.from_bounds([(0, 1)] * 2)
    centres, taken = np.full((3, 2), 0.2), np.full((1, 2), np.nan)
    region = Region(np.zeros(2), np.ones(2), centres, taken)
    return space, Known(lambda x: x[0] + x[1] - 0.5, space), region


@pytest.mark.parametrize("middle", [(0.3, 0.3), (0.05, 0.4)])
def test_a_screen_ranks_what_is_allowed(middle):
    space, corner, region = _corner()
    wants, likes = np.array(middle), np.ones(2)  # the screen likes what is forbidden
    args = jax.random.key(0), _dish, wants, region, space.grid
    with jax.enable_x64(True):
        plain = propose(*args, known=corner)
        row, value = propose(*args, known=corner, cheap=Screen(likes, 0.01))
    assert corner.allows(row)
    assert value == pytest.approx(plain[1], abs=1e-6)  # the same bowl, climbed down


def test_what_passes_a_screen_is_ranked_in_full():
    space, corner, region = _corner()
    grid = space.grid
    key, likes, wants = jax.random.key(0), np.full(2, 0.2), np.array([0.3, 0.1])
    with jax.enable_x64(True):
        first = jax.random.split(key, 1 + ROUNDS)[0]
        found = screen(first, _stairs, likes, region, grid, sobol(2))
        liked = _allowed(*map(np.asarray, found), corner, STARTS)
        args = key, _stairs, wants, region, grid
        _, value = propose(*args, known=corner, cheap=Screen(likes, 0.01))
        # There is no slope that a climb could follow from what the screen likes best.
        assert value > max(float(_stairs(wants, row)) for row in liked)


def test_a_cascade_serves_a_tight_set():
    cascade = Cascade(GP(additive=False), GP(additive=False, steps=5))
    settings = dict(constraints=partial(_disc, radius=0.3), surrogate=cascade)
    result = optimize(_branin, BOX, 8, n_initial=5, seed=0, **settings)
    assert max(_disc(x, radius=0.3) for x in result.x_iters) <= 1e-7
    # On the edge: what merely fills the disc does not come near.
    assert _disc(result.x, radius=0.3) > -1e-3


def test_no_step_compiles_again():
    def run():
        optimize(_branin, BOX, 9, constraints=_disc, seed=0, n_initial=4)
        return slope._cache_size(), worth._cache_size()

    assert run() == run()


@pytest.mark.parametrize("empty", [None, [], ()])
def test_no_constraints_in_any_form(empty):
    a = Optimizer(BOX, constraints=empty, seed=0).ask(3)
    np.testing.assert_array_equal(a, Optimizer(BOX, seed=0).ask(3))


def test_an_empty_set_is_an_error_before_any_evaluation():
    with pytest.raises(SettingError, match=r"closest seen.*constraints\[1\] is "):
        Optimizer(BOX, constraints=[_disc, lambda x: x[0] ** 2 + 1])


def test_an_empty_finite_set_is_an_error():
    with pytest.raises(SettingError, match="Check the signs"):
        Optimizer({"a": Int(0, 3)}, constraints=lambda x: 1)


@pytest.mark.parametrize(
    "given",
    [
        {"type": "eq", "fun": _disc},
        LinearConstraint([[1.0, 1.0]], 5, 5),
        NonlinearConstraint(lambda x: [x[0], x[1]], [0, 1], [1, 1]),
    ],
)
def test_equalities_are_refused_with_advice(given):
    with pytest.raises(SettingError, match="equality.*band"):
        Optimizer(BOX, constraints=given)


@pytest.mark.parametrize(
    "given",
    [
        3,
        "x0 < 1",
        [_disc, None],
        {"type": "ineq"},
        {"type": "le", "fun": _disc},
        LinearConstraint([[1.0, 1.0, 1.0]], ub=1),
        NonlinearConstraint(_disc, 1, 0),
        NonlinearConstraint(_disc, [0, 1, 2], [1, 2]),
        NonlinearConstraint(_disc, [0, 1], [2, 3]),
        lambda x: None,
        lambda x: x[0] < 1,
        lambda x: "low",
        lambda x: 1j,
        lambda x: np.eye(2),
        lambda x: [[1.0], [1.0, 2.0]],
        lambda x: np.nan,
        lambda x: x[7],
        lambda x: np.zeros(1 + (x[0] > 2)),
    ],
)
def test_constraints_without_meaning_are_refused(given):
    with pytest.raises(SettingError, match=r"(?s)constraints.*(wanted|must)"):
        Optimizer(BOX, constraints=given)


def test_a_constraint_that_is_nan_somewhere_forbids_that_part():
    def g(x):
        return np.nan if x[0] < 2 else -1.0

    points = Optimizer(BOX, constraints=g, seed=0).ask(8)
    assert min(x[0] for x in points) >= 2


def test_a_constraint_that_writes_into_its_point_does_no_harm():
    def g(x):
        value = _disc(x)
        x[:] = 0.0
        return value

    a = Optimizer(BOX, constraints=[g, g], seed=0).ask(4)
    np.testing.assert_array_equal(a, Optimizer(BOX, constraints=_disc, seed=0).ask(4))


def test_a_told_point_outside_known_constraints_is_no_success():
    study = Optimizer([(0, 1)], constraints=lambda x: 0.5 - x[0], seed=0)
    study.tell([0.2], -1.0)
    assert not study.result().success
    study.tell([0.7], 3.0)
    result = study.result()
    assert result.success and result.x[0] == pytest.approx(0.7)
    assert list(result.feasible) == [False, True]


def test_a_point_is_judged_once():
    seen = []

    def limit(x):
        seen.append(x[0])
        return 0.5 - x[0]

    study = Optimizer([(0, 1)], constraints=limit, seed=0, n_initial=2)
    study.tell([0.8125], 1.0)
    study.result()
    before = seen.count(0.8125)
    study.result()
    assert before >= 1 and seen.count(0.8125) == before
