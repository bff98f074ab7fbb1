import jax
import numpy as np
import pytest

from pfnbo import GP
from pfnbo.data import Data, pad
from pfnbo.surrogates.choice import choose_views
from pfnbo.views import objective_views, stack

D, N, SIZE = 2, 26, 32
KEY = jax.random.key(0)
SEEDS = range(6)


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def _draw(seed, length=0.5):
    """Points and a draw of a Gaussian process, by dense algebra."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(size=(N, D))
    r2 = np.sum((x[:, None] - x[None]) ** 2, axis=-1) / length**2
    k = np.exp(-r2 / 2) + 1e-8 * np.eye(N)
    return x, np.linalg.cholesky(k) @ rng.normal(size=N)


def _padded(x, *values):
    """What `choose_views` wants of the objective views of outputs."""
    views = stack(objective_views(f) for f in values)
    flat = pad(x, views.z.reshape(-1, len(x)), SIZE)
    y, known = (a.reshape(*views.zero.shape, SIZE) for a in (flat.y, flat.seen))
    return flat.x, y, known[:, 0], views.jacobian


def _leave_one_out(x, y, seen, jacobians):
    """Log density of each observation given the others, in units of the output."""
    normal = GP(warp=False).fit(KEY, Data(x, y, seen)).leave_one_out()
    return np.sum(np.asarray(normal.log_prob(y)), axis=1, where=seen) + jacobians


@pytest.mark.parametrize("seed", SEEDS)
def test_an_exponential_of_a_draw_is_seen_through_a_logarithm(seed):
    x, z = _draw(seed)
    (chosen, _) = choose_views(*_padded(x, np.exp(3 * z), z))
    assert chosen > 0


@pytest.mark.parametrize("seed", SEEDS)
def test_a_plain_draw_is_never_seen_worse_than_through_the_identity(seed):
    x, z = _draw(seed)
    rows, y, seen, jacobians = _padded(x, z, np.exp(3 * z))
    two = np.array([0, choose_views(rows, y, seen, jacobians)[0]])
    identity, chosen = _leave_one_out(rows, y[0, two], seen[[0, 0]], jacobians[0, two])
    assert two[1] == 0 or chosen > identity - 2


def test_most_plain_draws_are_seen_through_the_identity():
    chosen = [choose_views(*_padded(x, z, z))[0] for x, z in map(_draw, SEEDS)]
    assert np.sum(np.array(chosen) == 0) > len(SEEDS) / 2


def test_every_output_is_chosen_for_itself():
    x, z = _draw(0)
    steep = np.exp(3 * z)
    a = choose_views(*_padded(x, steep, z))
    b = choose_views(*_padded(x, z, steep))
    np.testing.assert_array_equal(a, b[::-1])
    assert a[0] != a[1]


def test_views_without_an_evidence_are_never_chosen():
    x, z = _draw(0)
    rows, y, seen, jacobians = _padded(x, np.exp(3 * z), z)
    for bad in (-np.inf, np.nan):
        jacobians = jacobians.copy()
        for _ in range(3):
            chosen = choose_views(rows, y, seen, jacobians)
            assert np.isfinite(jacobians[[0, 1], chosen]).all()
            jacobians[[0, 1], chosen] = bad
        jacobians = _padded(x, np.exp(3 * z), z)[3]


def test_a_jacobian_that_is_high_enough_decides():
    x, z = _draw(0)
    rows, y, seen, jacobians = _padded(x, np.exp(3 * z), z)
    for view in range(4):
        pushed = jacobians + 1e4 * (np.arange(4) == view)
        np.testing.assert_array_equal(choose_views(rows, y, seen, pushed), view)


def test_unseen_rows_change_nothing():
    x, z = _draw(1)
    f = np.exp(3 * z)
    expected = choose_views(*_padded(x, f, z))
    more = np.concatenate([x, np.random.default_rng(9).uniform(size=(4, D))])
    gaps = [np.append(v, np.full(4, np.nan)) for v in (f, z)]
    rows, y, seen, jacobians = _padded(more, *gaps)
    np.testing.assert_array_equal(choose_views(rows, y, seen, jacobians), expected)
    moved = np.where(np.any(seen, axis=0)[:, None], rows, 0.9)
    np.testing.assert_array_equal(choose_views(moved, y, seen, jacobians), expected)


def test_permuted_rows_change_nothing():
    x, z = _draw(2)
    f = np.exp(3 * z)
    order = np.random.default_rng(0).permutation(N)
    np.testing.assert_array_equal(
        choose_views(*_padded(x[order], f[order], z[order])),
        choose_views(*_padded(x, f, z)),
    )


def test_nothing_known_still_gives_a_view():
    unknown = np.full(3, np.nan)
    chosen = choose_views(*_padded(np.full((3, D), 0.5), unknown, unknown))
    assert np.all((chosen >= 0) & (chosen < 4))
