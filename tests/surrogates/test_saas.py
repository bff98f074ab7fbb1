"""Drawn hyper-parameters: what draws them, and how particles are conditioned."""

import sys
import warnings

import blackjax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pfnbo import GP, NUTS, SAAS, FullyBayesianGP, SettingError
from pfnbo.data import pad
from pfnbo.kernel import gram, log_marginal_likelihood, log_prior
from pfnbo.surrogates.gp import condition
from pfnbo.surrogates.particles import ParticlePosterior, repeat

pytest.importorskip("numpyro")

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
N, SIZE = 12, 16
X = RNG.uniform(size=(N, 2))
Y = np.sin(4 * X[:, 0]) + 0.2 * RNG.normal(size=N)
Y = (Y - Y.mean()) / Y.std()
PLAIN = GP("rbf", noise=0.3, additive=False, warp=False)
LONG = NUTS(chains=2, warmup=200, draws=500, kept=1000)


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def test_it_draws_what_blackjax_draws():
    data = pad(X, Y[None], SIZE)
    got = np.asarray(FullyBayesianGP(PLAIN, LONG).fit(KEY, data).members.theta)
    low, high = PLAIN.box(2)
    free = np.flatnonzero(low < high)
    narrow, wide = jnp.asarray(low[free]), jnp.asarray(high[free])

    @jax.jit
    def density(place):
        at = narrow + (wide - narrow) * jax.nn.sigmoid(place)
        theta = jnp.asarray(low).at[free].set(at)
        slope = jnp.sum(jax.nn.log_sigmoid(place) + jax.nn.log_sigmoid(-place))
        args = jnp.asarray(data.x), jnp.asarray(data.y[0]), jnp.asarray(data.seen[0])
        return (
            log_marginal_likelihood(theta, *args, "rbf")
            + log_prior(theta, "rbf")
            + slope
        )

    @jax.jit
    def chain(key):
        adapt, run = jax.random.split(key)
        adaptation = blackjax.window_adaptation(blackjax.nuts, density)
        first = jnp.zeros(len(free))
        (state, settings), _ = adaptation.run(adapt, first, num_steps=200)
        step = blackjax.nuts(density, **settings).step

        def body(state, key):
            state, _ = step(key, state)
            return state, state.position

        return jax.lax.scan(body, state, jax.random.split(run, 1000))[1]

    other = low[free] + (high - low)[free] / (1 + np.exp(-np.asarray(chain(KEY))))
    sd = other.std(0)
    gap = np.abs(got[:, free].mean(0) - other.mean(0)) / sd
    assert np.max(gap) < 0.3  # some 100 independent draws of each
    np.testing.assert_allclose(got[:, free].std(0), sd, rtol=0.35)
    fixed = low == high
    np.testing.assert_allclose(got[:, fixed], np.tile(low[fixed], (len(got), 1)))


def test_a_column_without_a_meaning_has_a_long_length_scale():
    x = RNG.uniform(size=(24, 6))
    y = np.sin(6 * x[:, 2])
    data = pad(x, (y - y.mean())[None] / y.std(), 32)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "R-hat")
        fitted = SAAS(nuts=NUTS(warmup=150, draws=100)).fit(KEY, data)
    lengths = np.asarray(fitted.length_scales)[0]
    assert lengths[2] < 0.1 * np.delete(lengths, 2).min()
    assert np.all(np.asarray(fitted.diagnostics.acceptance) > 0.5)


def _prior_particles(count=400):
    """Particles drawn from a prior of two length-scales, before any data."""
    theta = np.zeros((count, 8))
    theta[:, :2] = np.random.default_rng(1).normal(-0.5, 0.4, (count, 2))
    theta[:, -1] = np.log(0.05)
    empty = pad(X, np.full((1, N), np.nan), SIZE)
    flat = jnp.full(count, -np.log(count))
    members = condition(jnp.asarray(theta), repeat(empty, count), flat, "rbf")
    return ParticlePosterior(members, flat[None]), theta


def test_conditioning_particles_weighs_them_by_their_evidence():
    prior, theta = _prior_particles()
    count = 3
    posterior = prior.condition(pad(X[:count], Y[None, :count], SIZE))
    weights = []
    for one in theta:
        k = np.asarray(gram(jnp.asarray(one), X[:count], np.ones(count, bool), "rbf"))
        solved = Y[:count] @ np.linalg.solve(k, Y[:count])
        weights.append(-0.5 * solved - 0.5 * np.linalg.slogdet(k)[1])
    wanted = np.exp(np.array(weights) - np.max(weights))
    wanted /= wanted.sum()
    assert 1 / np.sum(wanted**2) > 200  # so that all of the evidence counts
    np.testing.assert_allclose(np.exp(posterior.log_weight[0]), wanted, rtol=1e-3)


def test_particles_survive_what_none_foresaw():
    prior, _ = _prior_particles(40)
    y = np.where(np.arange(N) % 2 == 0, 30.0, -30.0)
    posterior = prior.condition(pad(X, y[None], SIZE))
    weight = np.exp(np.asarray(posterior.log_weight[0]))
    assert 1 / np.sum(weight**2) >= 20 - 1e-6
    assert np.isfinite(posterior.observe(jnp.asarray(X[0])).mean).all()


def test_chains_that_do_not_agree_are_told_of():
    model = FullyBayesianGP(PLAIN, NUTS(warmup=20, draws=4, kept=4, depth=1))
    with pytest.warns(UserWarning, match=r"type NUTS\(warmup=40, draws=8\)"):
        model.fit(KEY, pad(X, Y[None], SIZE))


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "numpyro", None)
    with pytest.raises(ModuleNotFoundError, match=r"SAAS needs NumPyro: pip install"):
        SAAS().fit(KEY, pad(X, Y[None], SIZE))


@pytest.mark.parametrize(
    "settings, match",
    [(dict(chains=1), "at least 2"), (dict(draws=4, kept=9), "keep fewer")],
)
def test_settings_without_a_meaning_are_refused(settings, match):
    with pytest.raises(SettingError, match=match):
        NUTS(**settings)
