"""Ensembles and what all sets of functions share: oracles are linear models."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from pfnbo import MLP, Ensemble, SettingError
from pfnbo.data import pad
from pfnbo.surrogates.gauss_newton import (
    Table,
    log_evidence,
    log_left_out,
    minimize,
)
from pfnbo.surrogates.members import posterior_of

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
N, NOISE = 8, 0.3
LINEAR = MLP(())
X = RNG.uniform(size=(N, 2))
Y = X[:, 0] - 2 * X[:, 1] + NOISE * RNG.normal(size=N)
NEW = np.array([[0.1, 0.9], [0.8, 0.2], [0.5, 0.5]])


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def _features(x):
    """What the unit normal parameters of the linear network are multiplied by."""
    return np.c_[5**0.5 * (x - 0.5), np.full(len(x), 1.3**0.5)]


def _exact(x=X, y=Y, noise=NOISE):
    """Mean and covariance of f at NEW under the linear model."""
    phi = _features(x)
    precision = np.eye(3) + phi.T @ phi / noise**2
    at = _features(NEW) @ np.linalg.inv(precision)
    return at @ phi.T @ y / noise**2, at @ _features(NEW).T


def _values(posterior, x=NEW):
    return np.asarray(jax.vmap(posterior.values, out_axes=-1)(jnp.asarray(x)))[0]


def _prior_draws(count):
    """A posterior without data, of linear functions."""
    params = jax.random.normal(KEY, (1, count, 3))
    data = pad(X, np.full((1, N), np.nan), 16)
    return posterior_of(data, params, np.full((1, count), NOISE**2), LINEAR)


def test_members_of_a_linear_model_are_posterior_draws():
    model = Ensemble(2000, LINEAR, NOISE, steps=8)
    values = _values(model.fit(KEY, pad(X, Y[None], 16)))
    mean, cov = _exact()
    error = np.sqrt(cov.diagonal() / len(values))
    assert np.max(np.abs(values.mean(0) - mean) / error) < 4
    np.testing.assert_allclose(np.cov(values.T), cov, atol=0.1 * cov.max())


@pytest.mark.parametrize("noise", [0.1, 0.5])
@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_what_a_linear_model_is_worth_is_exact(noise, scale):
    seen = np.arange(N) != 3
    table = Table(*(jnp.asarray(a) for a in (X, np.where(seen, Y, 0), seen)))
    var, zero = jnp.asarray(noise**2), jnp.zeros(3)
    params = minimize(LINEAR, table, zero + 1, zero, var / scale**2, 8)
    own, phi = Y[seen], scale * _features(X[seen])
    k = phi @ phi.T + noise**2 * np.eye(N - 1)
    evidence = multivariate_normal(np.zeros(N - 1), k).logpdf(own)
    left_out = 0.0
    for i in range(N - 1):
        rest = np.arange(N - 1) != i
        to_rest = np.linalg.solve(k[np.ix_(rest, rest)], k[rest, i])
        sd = np.sqrt(k[i, i] - to_rest @ k[rest, i])
        left_out += norm(to_rest @ own[rest], sd).logpdf(own[i])
    for fn, wanted in ((log_evidence, evidence), (log_left_out, left_out)):
        got = float(fn(LINEAR, table, params, var, scale))
        constant = 0.5 * (N - 1) * np.log(2 * np.pi)
        assert got - constant == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("widths", [(), (5,), (5, 3)])
def test_inner_products_of_slopes_need_no_slopes(widths):
    network = MLP(widths)
    params = jax.random.normal(KEY, (network.size(2),))
    slopes = jax.vmap(jax.grad(network), (None, 0))(params, jnp.asarray(X))
    got = network.slopes_gram(params, jnp.asarray(X))
    np.testing.assert_allclose(got, slopes @ slopes.T, rtol=1e-9)


def test_a_network_reaches_a_stationary_point():
    network = MLP((8,))
    table = Table(*(jnp.asarray(a) for a in (X, Y, np.ones(N, bool))))
    anchor = jax.random.normal(KEY, (network.size(2),))

    def loss(params):
        f = jax.vmap(network, (None, 0))(params, table.x)
        return jnp.sum((table.y - f) ** 2) / 0.01 + jnp.sum((params - anchor) ** 2)

    params = minimize(network, table, anchor, anchor, jnp.asarray(0.01), 60)
    before, after = (np.linalg.norm(jax.grad(loss)(p)) for p in (anchor, params))
    assert after < 0.01 * before and loss(params) < loss(anchor)


@pytest.mark.parametrize("count", [1, 4])
def test_conditioning_many_members_is_exact_conditioning(count):
    prior = _prior_draws(4000)
    y = Y[None, :count]
    posterior = prior.condition(pad(X[:count], y, 16))
    mean, cov = _exact(X[:count], Y[:count])
    weight = np.exp(np.asarray(posterior.log_weight))[0]
    values = _values(posterior)
    got = weight @ values
    apart = (values - got) * np.sqrt(weight)[:, None]
    np.testing.assert_allclose(got, mean, atol=0.12 * cov.max() ** 0.5)
    np.testing.assert_allclose(apart.T @ apart, cov, atol=0.1 * cov.max())
    assert 1 / np.sum(weight**2) > 0.5 * len(weight) - 1


def test_conditioning_on_what_is_known_changes_nothing():
    posterior = Ensemble(6, LINEAR, NOISE, steps=8).fit(KEY, pad(X, Y[None], 16))
    same = posterior.condition(pad(X, Y[None], 16))
    np.testing.assert_allclose(_values(same), _values(posterior), atol=1e-8)
    np.testing.assert_allclose(same.log_weight, posterior.log_weight)


def test_few_members_and_a_hopeless_observation_stay_finite():
    prior = _prior_draws(5)
    prior = replace(prior, noises=jnp.full((1, 5), 1e-6))
    posterior = prior.condition(pad(X[:2], np.array([[50.0, -50.0]]), 16))
    normal = posterior.observe(jnp.asarray(NEW[0]))
    assert np.isfinite(normal.mean).all() and np.isfinite(normal.var).all()
    assert np.isfinite(normal.log_ei(1e3)).all()


def test_smoothing_keeps_mean_and_variance():
    prior = _prior_draws(9)
    at = jax.vmap(prior.predict)(jnp.asarray(NEW))
    values = _values(prior)
    np.testing.assert_allclose(at.mean[:, 0], values.mean(0), atol=1e-9)
    np.testing.assert_allclose(at.var[:, 0], values.var(0), rtol=1e-6)
    epistemic, aleatoric = prior.parts(jnp.asarray(NEW[0]))
    observed = prior.observe(jnp.asarray(NEW[0]))
    np.testing.assert_allclose(epistemic + aleatoric, observed.var, rtol=1e-9)


def test_heads_learn_where_the_noise_is():
    x = np.linspace(0, 1, 64)[:, None]
    sd = np.where(x[:, 0] < 0.5, 0.05, 0.7)
    y = np.sin(4 * x[:, 0]) + sd * RNG.normal(size=64)
    model = Ensemble(6, MLP((12,)), heads=True)
    posterior = model.fit(KEY, pad(x, y[None], 64))
    epistemic, aleatoric = jax.vmap(posterior.parts)(jnp.asarray([[0.25], [0.8]]))
    quiet, loud = np.sqrt(aleatoric[:, 0])
    assert loud > 4 * quiet and 0.35 < loud < 1.4
    observed = jax.vmap(posterior.observe)(jnp.asarray([[0.25], [0.8]]))
    np.testing.assert_allclose(epistemic + aleatoric, observed.var, rtol=1e-9)
    assert quiet**2 < float(posterior.noise[0]) < loud**2
    # A surprise moves the members more where there is less noise.
    more = np.append(x, [[0.26], [0.81]], 0)
    shifts = []
    for at, place in ((64, 0.25), (65, 0.8)):
        values = np.append(y, [np.nan, np.nan])
        values[at] = float(posterior.means(jnp.asarray(more[at][None]))[0, 0]) + 0.4
        after = posterior.condition(pad(more, values[None], 128))
        new = jnp.asarray([[place]])
        shift = after.means(new) - posterior.means(new)
        shifts.append(float(shift[0, 0]) / float(epistemic[len(shifts), 0]))
    assert shifts[0] > 2 * shifts[1] > 0


def test_draws_are_members():
    prior = _prior_draws(4)
    values = _values(prior)
    draws = np.asarray(prior.sample(KEY, jnp.asarray(NEW), 50))[:, 0]
    gap = np.abs(draws[:, None] - values[None]).max(-1).min(-1)
    assert gap.max() < 1e-9 and len(np.unique(draws[:, 0])) == 4
    path = jax.vmap(prior.path(KEY))(jnp.asarray(NEW))[:, 0]
    assert np.abs(values - np.asarray(path)).max(-1).min() < 1e-9


def test_length_scales_are_inverse_slopes():
    posterior = Ensemble(4, LINEAR, 0.01, steps=8).fit(
        KEY, pad(X, (3 * X[:, 0] + X[:, 1])[None], 16)
    )
    np.testing.assert_allclose(posterior.length_scales, [[1 / 3, 1]], rtol=0.1)


def test_what_is_no_ensemble_is_refused():
    with pytest.raises(SettingError, match="at least 2"):
        Ensemble(1)
    with pytest.raises(SettingError, match="tanh"):
        MLP(activation="sign")
    with pytest.raises(SettingError, match="at least 1"):
        MLP((0,))
