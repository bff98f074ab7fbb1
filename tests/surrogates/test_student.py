from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from pfnbo import GP, NNGP, ScaleMixture, SettingError, TProcess
from pfnbo.data import pad
from pfnbo.kernel import gram, log_marginal_likelihood, warp
from pfnbo.surrogates.factors import InverseGamma

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
N = 9
X = RNG.uniform(size=(N, 2))
Y = np.stack([np.sin(5 * X[:, 0]), X[:, 1] - 0.5])
NEW = RNG.uniform(size=(3, 2))


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def _fit(model):
    return model.fit(KEY, pad(X, Y, 16))


def _at(posterior, x=NEW):
    return jax.jit(jax.vmap(posterior.observe))(jnp.asarray(x))


@pytest.mark.parametrize("kernel", ["matern52", NNGP().gp.kernel])
def test_the_evidence_is_that_of_a_multivariate_t(kernel):
    gp = GP(kernel, noise=0.1, additive=False)
    one, other = gp.search(pad(X, Y, 16)).theta
    data = pad(X, Y, 16)
    got, wanted = [], []
    for theta in (one, other):
        y, seen = data.y[0], data.seen[0]
        args = theta, data.x, y, seen, kernel
        got.append(float(log_marginal_likelihood(*args, InverseGamma(2.5, 2.5))))
        k = np.asarray(gram(theta, warp(theta, data.x), seen, kernel))[:N, :N]
        wanted.append(stats.multivariate_t(np.zeros(N), k, 5).logpdf(Y[0]))
    assert got[0] - got[1] == pytest.approx(wanted[0] - wanted[1], abs=1e-6)


def test_predictions_are_a_conditional_multivariate_t():
    posterior = _fit(TProcess(GP(noise=0.1), shape=1.5))
    at = _at(posterior)
    x = jnp.concatenate([jnp.asarray(X), NEW[:1]])
    seen = jnp.ones(N + 1, bool)
    theta = posterior.process.theta[0]
    k = np.asarray(gram(theta, warp(theta, x), seen, posterior.process.kernel))
    joint = stats.multivariate_t(np.zeros(N + 1), k, 3)
    before = stats.multivariate_t(np.zeros(N), k[:N, :N], 3).logpdf(Y[0])
    for y in (-1.0, 0.2, 3.0):
        wanted = joint.logpdf(np.append(Y[0], y)) - before
        assert float(at.log_prob(y)[0, 0]) == pytest.approx(wanted, abs=1e-6)


def test_a_sharp_prior_makes_it_a_gaussian_process():
    gp, t = _fit(GP(noise=0.1)), _fit(TProcess(GP(noise=0.1), shape=1e7))
    np.testing.assert_allclose(_at(gp).mean, _at(t).mean, atol=1e-3)
    np.testing.assert_allclose(_at(gp).var, _at(t).var, rtol=2e-2)


def test_joint_draws_share_their_factor():
    posterior = _fit(TProcess(GP(noise=0.1), shape=0.5))
    posterior = replace(
        posterior, process=posterior.process.condition(pad(X[:1], Y[:, :1], 16))
    )
    far = jnp.asarray([[0.0, 0.9], [0.9, 0.0], [0.9, 0.9]])
    draws = posterior.sample(KEY, far, 20_000)
    mean, at = posterior.means(far), jax.vmap(posterior.predict)(far)
    z = np.abs(np.asarray((draws - mean[None]) / np.asarray(at.scale.T)[None]))
    # Independent coordinates of large deviation would meet by accident only.
    both = np.mean((z[:, 0, 0] > 3) & (z[:, 0, 1] > 3))
    alone = np.mean(z[:, 0, 0] > 3) * np.mean(z[:, 0, 1] > 3)
    assert both > 3 * alone
    quantile = stats.t(2 * float(posterior.factor.shape[0])).ppf(0.9)
    assert np.mean(z[:, 0, 0] > quantile) == pytest.approx(0.2, abs=0.02)


def test_draws_of_an_inverse_gamma_factor_give_the_t_process():
    gp = GP(noise=0.1, additive=False, warp=False)
    exact = _fit(TProcess(gp, shape=2.0))
    drawn = _fit(ScaleMixture(stats.invgamma(2.0, scale=2.0), gp, draws=4000))
    theta = exact.process.theta, drawn.process.theta
    np.testing.assert_allclose(*theta, atol=1e-2)
    drawn = replace(drawn, process=exact.process)  # the beliefs alone
    one, other = _at(exact), _at(drawn)
    np.testing.assert_allclose(one.mean, other.mean, atol=1e-9)
    for p in (0.05, 0.3, 0.9):
        y = one.icdf(p)
        np.testing.assert_allclose(other.cdf(y), p, atol=5e-3)


def test_any_prior_of_the_factor_is_weighed_by_the_data():
    gp = GP(noise=0.1, additive=False, warp=False)
    prior = stats.burr12(2.0, 1.0)
    posterior = _fit(ScaleMixture(prior, gp, draws=2000))
    square = float(posterior.y[0] @ posterior.process.alpha[0])
    f = np.exp(np.linspace(-9, 9, 4001))
    weight = prior.pdf(f) * f * f ** (-N / 2) * np.exp(-square / (2 * f))
    weight /= weight.sum()
    wanted = np.interp([0.1, 0.5, 0.9], np.cumsum(weight), f)
    got = np.quantile(posterior.factor.values[0], [0.1, 0.5, 0.9])
    np.testing.assert_allclose(got, wanted, rtol=0.06)
    assert 16 < float(posterior.factor.effective[0]) < 2000


def test_draws_too_far_apart_are_told_of():
    gp = GP(noise=0.1, additive=False, warp=False)
    with pytest.warns(UserWarning, match="draws=1000"):
        ScaleMixture(stats.lognorm(30.0), gp, draws=100).fit(KEY, pad(X, Y, 16))


@pytest.mark.parametrize("model", [NNGP(noise=0.1), TProcess(NNGP(noise=0.1))])
def test_paths_and_noise_free_draws_have_the_moments(model):
    posterior = _fit(model)
    keys = jax.random.split(KEY, 600)
    x = jnp.asarray(NEW[0])
    paths = np.asarray(jax.jit(jax.vmap(lambda k: posterior.path(k)(x)))(keys))
    at = posterior.predict(x)
    sd = np.sqrt(np.asarray(at.var))
    np.testing.assert_array_less(np.abs(paths.mean(0) - at.mean), 0.2 * sd)
    np.testing.assert_allclose(paths.std(0), sd, rtol=0.25)
    draws = posterior.noise_free(KEY, 400, 1e-6)
    normal = draws.predict(x)
    np.testing.assert_array_less(np.abs(normal.mean.mean(0) - at.mean), 0.2 * sd)
    total = np.asarray(normal.var.mean(0) + normal.mean.var(0))
    np.testing.assert_allclose(total, at.var, rtol=0.25)


def test_a_prior_that_is_none_is_refused():
    with pytest.raises(SettingError, match="above 0"):
        TProcess(shape=0.0)
    for factor in (2.0, stats.norm(), stats.burr12):
        with pytest.raises(SettingError, match="positive numbers"):
            ScaleMixture(factor)
    with pytest.raises(SettingError, match="at least 16"):
        ScaleMixture(stats.burr12(2, 1), draws=4)
