from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pfnbo
from pfnbo import GP, MLP, Laplace, Recalibrated, SettingError, calibration
from pfnbo.data import pad
from pfnbo.predictive import Normal
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


@pytest.mark.parametrize("method", ["scale", "isotonic"])
def test_rows_held_out_mend_a_posterior_that_is_too_sure(method):
    x, y = RNG.uniform(size=(600, 1)), RNG.normal(size=(2, 600))
    told = Sure(jnp.asarray([0.3, 3.0]))
    mended = calibration.recalibrated(told, x[:300], y[:, :300], method)
    for output in (0, 1):
        before, after = (
            calibration.report(p, x[300:], y[output, 300:], output=output)
            for p in (told, mended)
        )
        assert before.miscalibration > 0.1 and after.miscalibration < 0.05
        assert after.nll < before.nll - 0.3 and after.crps < before.crps
        assert after.coverage == pytest.approx(0.9, abs=0.06)
    np.testing.assert_allclose(mended.factor, [1 / 0.3, 1 / 3], rtol=0.1)


def _posterior(shares=None):
    x = RNG.uniform(size=(8, 1))
    y = np.sin(6 * x.T) + 0.3 * RNG.normal(size=(2, 8))
    base = GP(noise=0.3, steps=10).fit(KEY, pad(x, y, 16))
    return RecalibratedPosterior(base, jnp.asarray([2.0, 0.5]), shares)


def test_the_scale_is_that_of_a_process_of_other_covariance():
    """Noise-free draws are conditioned by the formulas of normal distributions."""
    posterior, new = _posterior(), jnp.asarray([0.37])
    rows = posterior.x[:8]
    at = posterior.predict(new)
    own = posterior.covariance(new[None], new[None])[:, 0, 0]
    np.testing.assert_allclose(at.var, own, rtol=1e-6)
    draws = posterior.noise_free(KEY, 3, 1e-4)
    told = draws.predict(new)
    k, cross = posterior.covariance(rows, rows), posterior.covariance(rows, new[None])
    for output in (0, 1):
        gain = np.linalg.solve(k[output] + 1e-9 * np.eye(8), cross[output, :, 0])
        apart = np.asarray(draws.values[:, output, :8] - posterior.fitted[output, :8])
        np.testing.assert_allclose(
            told.mean[:, output], at.mean[output] + apart @ gain, atol=1e-3
        )
        left = own[output] - gain @ cross[output, :, 0]
        np.testing.assert_allclose(told.var[:, output], left, rtol=0.02, atol=1e-6)


@pytest.mark.parametrize("method", ["scale", "isotonic"])
def test_draws_have_the_corrected_marginals(method):
    shares = jnp.asarray(np.stack([np.linspace(1, 3, 20) / 40] * 2))
    posterior = _posterior(shares if method == "isotonic" else None)
    x = jnp.asarray([[0.1], [0.5]])
    draws = np.asarray(posterior.sample(KEY, x, 2000))
    at = jax.vmap(posterior.predict, out_axes=1)(x)
    np.testing.assert_allclose(draws.mean(0), at.mean, atol=0.1 * np.sqrt(at.var).max())
    np.testing.assert_allclose(draws.std(0), np.sqrt(at.var), rtol=0.06)
    np.testing.assert_allclose(posterior.means(x), at.mean, rtol=1e-6)
    path, base = posterior.path(KEY), posterior.base.path(KEY)
    p, q = (
        of.predict(x[0]).cdf(f(x[0]))
        for of, f in ((posterior, path), (posterior.base, base))
    )
    ends = np.linspace(0, 1, 21)
    level = np.r_[0, np.cumsum(shares[0])] if method == "isotonic" else ends
    np.testing.assert_allclose(p, np.interp(q, ends, level), rtol=1e-4)


def test_it_optimizes_as_the_surrogate_would():
    with jax.enable_x64(False):
        result = pfnbo.optimize(
            lambda x: float((x[0] - 0.3) ** 2 + (x[1] - 0.6) ** 2),
            [(0, 1), (0, 1)],
            n_trials=10,
            n_initial=6,
            seed=0,
            surrogate=Recalibrated(Laplace(MLP((8,))), folds=2),
        )
    assert result.surrogate == "Recalibrated(Laplace)" and result.fun < 0.05


def test_what_corrects_nothing_is_refused():
    with pytest.raises(SettingError, match="method"):
        Recalibrated(GP(), "platt")
    with pytest.raises(SettingError, match="folds"):
        Recalibrated(GP(), folds=1)
