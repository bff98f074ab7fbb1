from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pfnbo import GP, Space
from pfnbo.acquisition.improvement import Goal, ei
from pfnbo.acquisition.noisy import goals, nei
from pfnbo.data import pad
from pfnbo.kernel import EDGE, MEAN_VARIANCE
from pfnbo.observations import Observations
from pfnbo.strategy import Strategy

D, N, SIZE = 2, 6, 32
KEY = jax.random.key(0)
RNG = np.random.default_rng(5)
X = RNG.uniform(size=(N, D))
Y = np.stack([np.sin(5 * X[:, 0]) + X[:, 1], np.cos(3 * X.sum(axis=1))])
Y = (Y - Y.mean(axis=1, keepdims=True)) / Y.std(axis=1, keepdims=True)
NEW = jnp.asarray(RNG.uniform(size=(5, D)))
THRESHOLD = np.array([0.2])
USABLE = np.arange(SIZE) < N


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def _posterior(noise, y=Y):
    return GP(noise=noise, additive=False).fit(KEY, pad(X, y, SIZE))


@jax.jit
def _scores(posterior, thresholds, usable, key):
    draws = posterior.noise_free(key, 4096)
    goal = goals(draws, thresholds, usable)
    return jax.vmap(lambda x: nei(goal, draws, x))(NEW)


@pytest.mark.parametrize("threshold", [0.2, -9.0], ids=["found", "nothing feasible"])
def test_without_noise_it_is_expected_improvement(threshold):
    posterior = _posterior(0.0)
    thresholds = np.array([threshold])
    feasible = Y[1] <= threshold
    best = np.max(Y[0][feasible], initial=-np.inf)
    goal = Goal(best, feasible.any(), thresholds)
    expected = jax.vmap(lambda x: ei(goal, posterior, x))(NEW)
    got = _scores(posterior, thresholds, USABLE, jax.random.key(0))
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


def _joint(posterior, i, x, count, rng):
    """Draws of one latent output at the data and at x by dense algebra."""
    theta = np.asarray(posterior.theta[i])
    a, b = np.exp(theta[D : 2 * D]), np.exp(theta[2 * D : 3 * D])
    rows = EDGE + (1 - 2 * EDGE) * np.concatenate([X, x[None]])
    rows = 1 - (1 - rows**a) ** b
    scaled = (rows[:, None] - rows[None]) / np.exp(theta[:D])
    r = np.sqrt(5 * np.sum(scaled**2, axis=-1))
    k = np.exp(theta[-2]) * (1 + r + r**2 / 3) * np.exp(-r) + MEAN_VARIANCE
    gain = np.linalg.solve(k[:N, :N] + np.exp(theta[-1]) * np.eye(N), k[:N]).T
    return rng.multivariate_normal(gain @ Y[i], k - gain @ k[:N], count, tol=1e-6)


def test_it_equals_brute_force():
    posterior, rng = _posterior(0.4), np.random.default_rng(1)
    got = _scores(posterior, THRESHOLD, USABLE, jax.random.key(0))
    # Elsewhere the mean is carried by draws too rare for brute force.
    for j in (0, 2):
        x = np.asarray(NEW[j])
        f, g = (_joint(posterior, i, x, 100_000, rng) for i in range(2))
        holds = g <= THRESHOLD
        best = np.where(holds[:, :N], f[:, :N], -np.inf).max(axis=1)
        gain = np.where(np.isfinite(best), np.maximum(f[:, N] - best, 0), 1)
        expected = np.log(np.mean(gain * holds[:, N]))
        assert float(got[j]) == pytest.approx(expected, abs=0.1)


def test_unseen_rows_change_nothing():
    y = Y.copy()
    y[1, 2] = np.nan
    posterior = _posterior(0.4, y)
    junk = jnp.where(posterior.seen, posterior.y, 50.0)
    moved = jnp.where(jnp.arange(SIZE)[:, None] < N, posterior.x, 0.1)
    rows = jnp.where(posterior.seen[:, :, None], posterior.rows, 0.1)
    other = replace(posterior, x=moved, rows=rows, y=junk)
    scores = [
        _scores(p, THRESHOLD, USABLE, jax.random.key(0)) for p in (posterior, other)
    ]
    np.testing.assert_allclose(*scores, rtol=1e-9)


@dataclass(frozen=True)
class _Drawn:
    values: jax.Array
    seen: jax.Array


def test_the_incumbent_of_a_draw_is_its_best_feasible_value():
    values = jnp.asarray([[[1.0, 2, 3, 4], [0, 0, 9, 0]], [[5.0, 6, 7, 8], [9] * 4]])
    seen = jnp.asarray([[True] * 4, [True, True, True, False]])
    usable = jnp.asarray([True, True, True, True])
    goal = goals(_Drawn(values, seen), jnp.asarray([0.5]), usable)
    np.testing.assert_array_equal(goal.found, [True, False])
    assert float(goal.best[0]) == 2
    goal = goals(_Drawn(values, seen), jnp.asarray([0.5]), usable.at[1].set(False))
    assert float(goal.best[0]) == 1


def test_shift_and_scale_of_the_objective_do_not_matter():
    space = Space.from_bounds([(0, 1)] * D)
    strategy = Strategy(GP(noise=0.3), "nei")
    key, none = jax.random.key(0), np.zeros((0, D))

    def next_row(f):
        seen = Observations(X, f, np.zeros((N, 0)), np.zeros(N, bool))
        return strategy.suggest(key, space, seen, none)

    expected = next_row(Y[0])
    np.testing.assert_allclose(next_row(50 * Y[0] - 1e3), expected, atol=1e-4)


@pytest.mark.parametrize("noise, name", [(0.0, "ei"), (0.1, "nei")])
def test_auto_follows_the_noise(noise, name):
    variance = np.asarray(_posterior(noise).noise[0])
    assert Strategy()._named(variance) == name
    assert Strategy(acquisition="ucb")._named(variance) == "ucb"
