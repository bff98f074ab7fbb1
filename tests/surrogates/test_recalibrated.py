from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pfnbo
from pfnbo import GP, MLP, Laplace, Recalibrated, SettingError, calibration
from pfnbo.data import pad
from pfnbo.kernel import start
from pfnbo.predictive import Normal
from pfnbo.surrogates.gp import condition
from pfnbo.surrogates.recalibrated import RecalibratedPosterior

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Sure:
    """Predicts one normal distribution wherever it is asked."""

    scale: jax.Array  # (outputs,)

    def observe(self, x):
        return Normal(jnp.zeros_like(self.scale), self.scale)

    predict = observe


@jax.jit
def _judged(posterior, x, y):
    told = jax.vmap(posterior.observe, out_axes=1)(x)
    return told.log_prob(y), told.cdf(y)


@pytest.mark.parametrize("method", ["scale", "isotonic"])
def test_rows_held_out_mend_a_posterior_that_is_too_sure(method):
    random = np.random.default_rng(1)
    x, y = random.uniform(size=(3000, 1)), random.laplace(size=(2, 3000))
    told = Sure(jnp.asarray([0.3, 3.0]))
    mended = calibration.recalibrated(told, x[:1000], y[:, :1000], method)
    np.testing.assert_allclose(mended.factor, 2**0.5 / told.scale, rtol=0.1)
    before, after = (_judged(p, x[1000:], y[:, 1000:]) for p in (told, mended))
    assert np.all(np.mean(after[0], 1) > np.mean(before[0], 1) + 0.3)
    areas = [
        [calibration.miscalibration(np.asarray(pit)) for pit in judged[1]]
        for judged in (before, after)
    ]
    # The map leaves less of the tails of a Laplace distribution than a factor does.
    assert (
        min(areas[0]) > 0.1 and max(areas[1]) < dict(scale=0.06, isotonic=0.035)[method]
    )


def test_observations_of_another_shape_are_refused():
    x, y, one = np.zeros((5, 1)), np.ones(5), Sure(jnp.asarray([0.3]))
    two = Sure(jnp.asarray([0.3, 3.0]))
    same = [calibration.recalibrated(one, x, given).factor for given in (y, y[None])]
    np.testing.assert_array_equal(*same)
    with pytest.raises(SettingError, match=r"shape \(5,\): wanted \(2, 5\)"):
        calibration.recalibrated(two, x, y)


SHARES = np.stack([np.linspace(1, 3, 20) / 40] * 2)
FACTOR = np.array([2.0, 0.5])


@jax.jit
def _process(data, theta):
    """Return what a corrected process says of its data and of a new row."""
    base = condition(theta, data, jnp.zeros(2), "rbf")
    posterior = RecalibratedPosterior(base, FACTOR, SHARES, False)
    rows = jnp.concatenate([data.x, jnp.ones((1, 1))])
    draws = posterior.noise_free(KEY, 3, 1e-4)
    at, told = posterior.predict(rows[-1]), draws.predict(rows[-1])
    k, means = posterior.covariance(rows, rows), posterior.means(rows)
    return k, means, draws.values, at.var, told.mean, told.var


def test_the_scale_is_that_of_a_process_of_other_covariance():
    """Noise-free draws are conditioned by the formulas of normal distributions."""
    x = np.linspace(0.1, 0.9, 4)[:, None]
    y = np.sin(6 * x.T) + 0.3 * RNG.normal(size=(2, 4))
    theta = np.stack([start(1, 0.3, 0.09, "rbf")] * 2)
    k, means, values, var, mean, left = map(
        np.asarray, _process(pad(x, y, 4), jnp.asarray(theta))
    )
    for o in (0, 1):
        np.testing.assert_allclose(var[o], k[o, -1, -1], rtol=1e-6)
        gain = np.linalg.solve(k[o, :-1, :-1], k[o, :-1, -1])
        wanted = means[o, -1] + (values[:, o] - means[o, :-1]) @ gain
        np.testing.assert_allclose(mean[:, o], wanted, atol=1e-3)
        rest = k[o, -1, -1] - gain @ k[o, :-1, -1]
        np.testing.assert_allclose(left[:, o], rest, rtol=0.01, atol=1e-6)


@pytest.mark.parametrize("isotonic", [False, True])
def test_draws_keep_their_ranks_in_the_corrected_marginals(isotonic):
    base = Sure(jnp.asarray([0.3, 3.0]))
    posterior = RecalibratedPosterior(base, FACTOR, SHARES, isotonic)
    x, draws = jnp.zeros(1), base.scale[None] * jnp.linspace(-4, 4, 31)[:, None]

    @jax.jit
    def ranks(posterior, draws):
        moved = posterior.moved(x, draws)
        return base.predict(x).cdf(draws), posterior.predict(x).cdf(moved), moved

    before, after, moved = ranks(posterior, draws)
    np.testing.assert_allclose(after, before, rtol=1e-6)
    if not isotonic:
        np.testing.assert_allclose(moved, FACTOR[None] * draws)


def test_it_optimizes_as_the_surrogate_would():
    with jax.enable_x64(False):
        result = pfnbo.optimize(
            lambda x: float((x[0] - 0.3) ** 2 + (x[1] - 0.6) ** 2),
            [(0, 1), (0, 1)],
            n_trials=8,
            n_initial=6,
            seed=0,
            surrogate=Recalibrated(Laplace(MLP((8,)), noise=0.1), folds=2),
        )
    assert result.surrogate == "Recalibrated(Laplace)" and result.fun < 0.05


def test_what_corrects_nothing_is_refused():
    with pytest.raises(SettingError, match="method"):
        Recalibrated(GP(), "platt")
    with pytest.raises(SettingError, match="folds"):
        Recalibrated(GP(), folds=1)
