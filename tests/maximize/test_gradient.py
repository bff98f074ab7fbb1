import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pfnbo import Categorical, Float, Int, Space
from pfnbo.maximize.gradient import Region, Screen, propose, screen, sobol
from pfnbo.space import SAME_POINT, contains

KEY = jax.random.key(0)
BOX = Space.from_bounds([(0, 1)] * 2)
TAKEN = 720  # rows of the padded array of taken ones


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def _region(columns, centre=None, taken=(), low=None, high=None):
    centre = np.full(columns, 0.3) if centre is None else np.asarray(centre, float)
    padded = np.full((TAKEN, columns), np.nan)
    padded[: len(taken)] = np.reshape(taken, (len(taken), columns))
    low = np.zeros(columns) if low is None else np.asarray(low, float)
    high = np.ones(columns) if high is None else np.asarray(high, float)
    return Region(low, high, np.repeat(centre[None], 3, 0), padded)


def _valley(args, x):
    """Concave quadratic at bend 0, a curved ridge where `steep` is large."""
    matrix, centre, bend, steep = args
    u = x - centre
    across = u[1] - bend * u[0] ** 2
    return -u @ matrix @ u - steep * across**2


def _bowl(centre, matrix=((3.0, 1.0), (1.0, 2.0)), bend=0.0, steep=0.0):
    return np.array(matrix), np.array(centre, float), bend, steep


def _best(args, region, key=KEY):
    return propose(key, _valley, args, region, BOX.grid)


def test_a_maximum_inside_is_found():
    args = _bowl((0.62, 0.17))
    row, value = _best(args, _region(2))
    np.testing.assert_allclose(row, args[1], atol=1e-5)
    assert value == pytest.approx(0, abs=1e-9)
    assert value == float(_valley(args, row))


@pytest.mark.parametrize("low, high", [((0, 0), (1, 1)), ((0.2, 0.1), (0.5, 0.9))])
def test_a_maximum_on_the_border_is_found(low, high):
    # With x1 at its end the slope in x0 vanishes at c0 - (x1 - c1) / 3.
    args = _bowl((0.4, 1.2))
    row, value = _best(args, _region(2, low=low, high=high))
    expected = np.clip(0.4 - (high[1] - 1.2) / 3, low[0], high[0])
    np.testing.assert_allclose(row, [expected, high[1]], atol=1e-5)
    assert np.all((np.array(low) <= row) & (row <= np.array(high)))


def test_a_corner_is_found():
    row, _ = _best(_bowl((-2.0, 3.0)), _region(2))
    np.testing.assert_array_equal(row, [0, 1])


@pytest.mark.parametrize("centre", [(0.1, 0.1), (0.9, 0.9)])
def test_a_thin_curved_ridge_is_climbed(centre):
    args = _bowl((0.7, 0.2), ((1.0, 0.0), (0.0, 0.0)), bend=1.5, steep=1e6)
    row, value = _best(args, _region(2, centre))
    np.testing.assert_allclose(row, args[1], atol=1e-3)
    assert value > -1e-6


def test_the_maximum_does_not_come_again():
    args = _bowl((0.62, 0.17))
    taken = []
    for _ in range(4):
        row, value = _best(args, _region(2, taken=taken, centre=args[1]))
        assert np.isfinite(value) and not contains(np.reshape(taken, (-1, 2)), row)
        taken.append(row)
    near, _ = _best(args, _region(2, taken=[args[1]], centre=args[1]))
    assert SAME_POINT < np.abs(near - args[1]).max() < 0.01


def test_a_score_that_is_no_number_is_worth_nothing():
    args = _bowl((0.62, 0.17), steep=np.nan)
    assert _best(args, _region(2))[1] == -np.inf


def test_the_key_decides_everything():
    args = _bowl((0.62, 0.17))
    (a, u), (b, v) = (_best(args, _region(2)) for _ in range(2))
    np.testing.assert_array_equal(a, b)
    assert u == v
    other, _ = _best(args, _region(2), jax.random.key(7))
    assert not np.array_equal(a, other)
    np.testing.assert_allclose(a, other, atol=1e-5)


def _waves(args, x):
    """Many local maxima, all of different heights."""
    frequency, phase, tilt = args
    return jnp.sum(jnp.sin(frequency @ x + phase)) + tilt @ x


def _rough(columns, seed):
    rng = np.random.default_rng(seed)
    return (
        4 * rng.normal(size=(3, columns)),
        rng.uniform(0, 6, 3),
        rng.normal(size=columns),
    )


SMALL = Space(
    {
        "k": Int(1, 6),
        "m": Categorical(("u", "v", "w")),
        "s": Float(0.0, 1.0, step=0.25),
        "l": Int(1, 8, log=True),
    }
)
LARGE = Space(
    {
        "k": Int(0, 49),
        "m": Categorical(("u", "v", "w")),
        "s": Float(0.0, 10.0, step=0.25),
        "t": Categorical((1, 2, 4, 8, 16), ordered=True),
    }
)


@partial(jax.jit, static_argnames="fn")
def _all(fn, args, rows):
    return jax.vmap(partial(fn, args))(rows)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("space", [SMALL, LARGE], ids=["720 rows", "30750 rows"])
def test_discrete_spaces_give_the_best_of_all_rows(space, seed):
    rows, args = space.every_row(), _rough(space.columns, seed)
    worth = np.asarray(_all(_waves, args, rows))
    row, value = propose(KEY, _waves, args, _region(space.columns), space.grid)
    assert value == pytest.approx(worth.max(), abs=1e-9)
    np.testing.assert_allclose(row, rows[np.argmax(worth)], atol=1e-9)


def test_taken_rows_of_a_discrete_space_do_not_come_again():
    rows, args = SMALL.every_row(), _rough(SMALL.columns, 0)
    order = np.argsort(-np.asarray(_all(_waves, args, rows)))
    taken, columns = [], SMALL.columns
    for best in order[:5]:
        region = _region(columns, taken=taken)
        row, _ = propose(KEY, _waves, args, region, SMALL.grid)
        np.testing.assert_allclose(row, rows[best], atol=1e-9)
        taken.append(row)
    free = order[-1]
    region = _region(columns, taken=np.delete(rows, free, axis=0))
    row, value = propose(KEY, _waves, args, region, SMALL.grid)
    np.testing.assert_allclose(row, rows[free], atol=1e-9)
    region = _region(columns, taken=rows)
    assert propose(KEY, _waves, args, region, SMALL.grid)[1] == -np.inf


LEVELS = 20
SLANTED = Space({"k": Int(0, LEVELS), "x": (0.0, 1.0), "m": Categorical(("u", "v"))})


def _ridge(args, x):
    """A ridge of that weight, on top of waves; one score is one compilation."""
    weight, best, choice, waves = args
    # A step of one level alone leaves the ridge and loses 2000.
    off = 1e3 * (x[1] - (0.05 + 0.9 * x[0]))
    ridge = off**2 + (LEVELS * x[0] - best) ** 2 + (1 - x[2 + choice])
    return _waves(waves, x) - weight * ridge


STILL = tuple(np.zeros_like(part) for part in _rough(4, 0))


@pytest.mark.parametrize("best, choice", [(13, 0), (7, 1), (0, 1), (20, 0)])
def test_a_level_and_a_column_move_together_along_a_ridge(best, choice):
    far = 0.0 if best > 10 else 1.0
    centre = np.array([far, 0.05 + 0.9 * far, choice, 1 - choice])
    args = 1.0, float(best), choice, STILL
    row, value = propose(KEY, _ridge, args, _region(4, centre), SLANTED.grid)
    level = best / LEVELS
    hot = [1 - choice, choice]
    np.testing.assert_allclose(row, [level, 0.05 + 0.9 * level, *hot], atol=1e-5)
    assert value == pytest.approx(0, abs=1e-6)


def test_proposals_of_mixed_spaces_are_legal():
    space = Space(
        {"k": Int(2, 60, log=True), "x": (0.0, 1.0), "m": Categorical(("u", "v"))}
    )
    for seed in range(4):
        args = 0.0, 0.0, 0, _rough(4, seed)
        row, value = propose(KEY, _ridge, args, _region(4), space.grid)
        np.testing.assert_allclose(space.snap(row), row, atol=1e-9)
        assert value == pytest.approx(float(_ridge(args, row)))
        points = itertools.product(range(2, 61), np.linspace(0, 1, 101), "uv")
        rows = np.stack([space.encode(point) for point in points])
        assert value > np.max(_all(_ridge, args, rows)) - 1e-9


def test_a_screen_passes_on_what_it_likes_best():
    seen = Region(*(jnp.asarray(a) for a in vars(_region(2)).values()))
    likes, wants = _bowl((0.2, 0.8)), _bowl((0.6, 0.1))
    rows, values = screen(KEY, _valley, wants, seen, BOX.grid, sobol(2))
    first = Screen(likes, 0.1)
    few, their = screen(KEY, _valley, wants, seen, BOX.grid, sobol(2), first)
    cheap = np.array([_valley(likes, x) for x in np.asarray(rows)])
    best = np.argsort(-cheap, kind="stable")[: len(few)]
    assert len(few) == -(-len(rows) // 10)
    assert {*best.tolist()} >= {*np.flatnonzero(cheap > cheap[best[-1]]).tolist()}
    np.testing.assert_allclose(np.sort(their), np.sort(np.asarray(values)[best]))


def test_a_screen_of_the_score_itself_loses_nothing():
    args = _bowl((0.62, 0.17))
    row, value = propose(KEY, _valley, args, _region(2), BOX.grid, Screen(args, 0.1))
    np.testing.assert_array_equal(row, _best(args, _region(2))[0])
    assert value == _best(args, _region(2))[1]
