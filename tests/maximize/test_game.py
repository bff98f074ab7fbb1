from functools import partial

import jax
import numpy as np
import pytest

from pfnbo import Categorical, Int, Optimizer, Space, optimize
from pfnbo.maximize.game import GAMES, alternate, changes, equilibria, propose, suits
from pfnbo.maximize.gradient import Region, Screen
from pfnbo.space import contains

SITES = Space({f"site{i}": Categorical("abcdef") for i in range(4)})
NESTED = Space(
    {
        "kind": Categorical("uv"),
        "left": Categorical("abcd", when={"kind": "u"}),
        "right": Categorical("abcdef", when={"kind": "v"}),
        "more": Categorical("xyz", when={"right": ["c", "d"]}),
    }
)


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def _payoff(args, x):
    """Effects of single choices and of pairs."""
    single, pairs = args
    return single @ x + x @ pairs @ x


def _args(columns, seed, rugged):
    rng = np.random.default_rng(seed)
    return rng.normal(size=columns), rugged * rng.normal(size=(columns, columns))


def _region(space, taken=()):
    padded = np.full((1500, space.columns), np.nan)
    padded[: len(taken)] = np.reshape(taken, (len(taken), space.columns))
    zero, one = np.zeros(space.columns), np.ones(space.columns)
    return Region(zero, one, space.design(3, 1), padded)


def _worths(args, rows):
    return np.asarray(jax.vmap(partial(_payoff, args))(rows))


@pytest.mark.parametrize("space", [SITES, NESTED], ids=["sites", "nested"])
@pytest.mark.parametrize("seed", range(5))
def test_no_change_of_one_player_gains_anywhere(space, seed):
    args, rows = _args(space.columns, seed, 1.0), space.every_row()
    taken = rows[::3]
    region = _region(space, taken)
    ends = equilibria(jax.random.key(seed), _payoff, args, region, space.grid)
    free = np.array([not contains(taken, row) for row in rows])
    for row, value in zip(np.asarray(ends.rows), np.asarray(ends.values), strict=True):
        np.testing.assert_array_equal(space.snap(row), row)
        assert np.isfinite(value) and not contains(taken, row)
        names = [set(space.decode(r).items()) for r in rows]
        mine = set(space.decode(row).items())
        near = np.array([len(mine - other) <= 1 for other in names])
        if space is SITES:
            assert value >= _worths(args, rows)[free & near].max() - 1e-12
        moves = np.asarray(changes(row, space.grid))
        open_ = [not contains(taken, move) for move in moves]
        assert value >= _worths(args, moves)[open_].max() - 1e-12


def test_a_screen_hides_all_but_the_changes_that_it_likes():
    region, hidden = _region(SITES), 0
    for seed in range(5):
        wants, likes = (_args(SITES.columns, s, 1.0) for s in (seed, seed + 100))
        args = jax.random.key(seed), _payoff, wants, region, SITES.grid
        # 12 of 20 changes pass, the fewest there may be.
        ends = equilibria(*args, Screen(likes, 0.01))
        for row, value in zip(map(np.asarray, ends.rows), ends.values, strict=True):
            moves = np.asarray(changes(row, SITES.grid))
            moves = moves[np.any(moves != row, axis=1)]
            order = np.argsort(-_worths(likes, moves), kind="stable")
            worths = _worths(wants, moves)[order]
            assert value >= worths[:12].max() - 1e-12
            hidden += worths.max() > value + 1e-12
        row, value = propose(*args, Screen(wants, 0.01))
        np.testing.assert_array_equal(row, propose(*args)[0])
        assert value == propose(*args)[1]
    assert hidden


def test_staying_takes_no_place_among_the_changes_that_pass():
    space = Space({f"on{i}": Categorical("nf") for i in range(20)})
    likes = np.tile([0.0, -1.0], 20)  # nothing switched on, and of these the last ones
    likes -= 0.01 * np.arange(40)[::-1]
    wants = np.tile([0.0, 1.0], 20)
    args = jax.random.key(0), lambda args, x: args @ x, wants, _region(space)
    ends = equilibria(*args, space.grid, Screen(likes, 0.01))
    # The row that the screen likes best is no end: its best twelve changes are tried.
    assert np.min(np.asarray(ends.rows)[:, 1::2].sum(1)) >= 12


@pytest.mark.parametrize("seed", range(6))
def test_the_best_of_all_rows_is_found(seed):
    args, rows = _args(SITES.columns, seed, 0.5), SITES.every_row()
    row, value = propose(
        jax.random.key(seed), _payoff, args, _region(SITES), SITES.grid
    )
    worth = _worths(args, rows)
    assert value == pytest.approx(worth.max(), abs=1e-9)
    np.testing.assert_array_equal(row, rows[np.argmax(worth)])


def test_evaluations_are_counted():
    args = _args(SITES.columns, 0, 0.5)
    ends = equilibria(jax.random.key(0), _payoff, args, _region(SITES), SITES.grid)
    rounds = (int(ends.scored) - GAMES) / (GAMES * 24)
    assert rounds == int(rounds) and 2 <= rounds <= 8


def test_a_full_space_has_no_equilibrium():
    region = _region(SITES, SITES.every_row())
    args = _args(SITES.columns, 0, 0.5)
    assert propose(jax.random.key(0), _payoff, args, region, SITES.grid)[1] == -np.inf


def test_spaces_with_choices_are_games():
    assert suits(SITES.grid) and suits(NESTED.grid) and suits(MIXED.grid)
    assert not suits(Space({"a": (0, 1), "k": Int(0, 2)}).grid)


MIXED = Space(
    {
        "metal": Categorical("abcd"),
        "width": (0.0, 1.0),
        "shape": Categorical("xyz"),
        "teeth": Int(0, 8),
        "depth": (0.0, 1.0),
    }
)
HOT, FREE, TEETH = [0, 1, 2, 3, 5, 6, 7], [4, 9], 8


def _mixed_payoff(args, x):
    """Pairs of choices have a value, and each its own best numbers."""
    pairs, centres = args
    hot, number = x[jax.numpy.array(HOT)], x[jax.numpy.array([*FREE, TEETH])]
    return hot @ pairs @ hot - jax.numpy.sum((number - hot @ centres / 2) ** 2)


def _mixed_args(seed):
    rng = np.random.default_rng(seed)
    centres = rng.uniform(size=(7, 3))
    centres[:, 2] = rng.integers(0, 9, 7) / 8
    return rng.normal(size=(7, 7)), centres


def _mixed_best(args):
    """The largest payoff, by enumeration of the choices and levels."""
    pairs, centres = args
    best = -np.inf
    for i in range(4):
        for j in range(4, 7):
            hot = np.isin(np.arange(7), (i, j)).astype(float)
            level = hot @ centres[:, 2] / 2
            miss = np.min((np.arange(9) / 8 - level) ** 2)
            best = max(best, hot @ pairs @ hot - miss)
    return best


@pytest.mark.parametrize("seed", range(6))
def test_choices_and_numbers_are_found_together(seed):
    args = _mixed_args(seed)
    row, value = propose(
        jax.random.key(seed), _mixed_payoff, args, _region(MIXED), MIXED.grid
    )
    np.testing.assert_allclose(MIXED.snap(row), row, atol=1e-9)
    assert value == pytest.approx(_mixed_best(args), abs=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_no_choice_or_neighbouring_level_gains_in_a_mixed_space(seed):
    args, starts = _mixed_args(seed), MIXED.design(GAMES, seed)
    region = _region(MIXED)
    starts = np.stack([MIXED.snap(row) for row in starts])
    ends = alternate(_mixed_payoff, args, region, MIXED.grid, starts)
    for row, value in zip(np.asarray(ends.rows), np.asarray(ends.values), strict=True):
        moves = jax.vmap(partial(_mixed_payoff, args))(changes(row, MIXED.grid))
        assert value >= np.max(moves) - 1e-12
        slope = jax.grad(partial(_mixed_payoff, args))(row)[np.array(FREE)]
        assert np.all(np.abs(slope) < 1e-3) or value < np.max(ends.values)


def test_a_run_in_a_mixed_space_finds_choice_and_number():
    def fn(p):
        return (p["width"] - 0.3) ** 2 + (p["metal"] != "c") + abs(p["teeth"] - 5) / 8

    space = {name: MIXED[name] for name in ("metal", "width", "teeth")}
    result = optimize(fn, space, 24, seed=0)
    assert result.x["metal"] == "c" and result.fun < 1e-3


def _mismatches(point):
    return float(sum(point[f"site{i}"] != "face"[i] for i in range(4)))


def test_a_run_by_batches_finds_the_word():
    study, asked = Optimizer(SITES, seed=0, n_initial=10), []
    for _ in range(8):
        batch = study.ask(5)
        asked += batch
        for point in batch:
            study.tell(point, _mismatches(point))
    assert study.result().fun == 0
    assert len({tuple(p.values()) for p in asked}) == len(asked)


def test_a_conditional_space_of_choices_is_searched():
    result = optimize(lambda p: float(p.get("more") != "y"), NESTED, 16, seed=0)
    assert result.fun == 0 and result.x["right"] in ("c", "d")
