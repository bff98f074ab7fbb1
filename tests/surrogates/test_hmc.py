"""Samplers against the conjugate posterior of a network without hidden layers."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pfnbo import HMC, MLP, SGHMC, SettingError
from pfnbo.data import pad
from pfnbo.surrogates.density import log_density

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
N, NOISE = 8, 0.3
X = RNG.uniform(size=(N, 2))
Y = X[:, 0] - 2 * X[:, 1] + NOISE * RNG.normal(size=N)
NEW = np.array([[0.1, 0.9], [0.8, 0.2], [0.5, 0.5]])
LINEAR = MLP(())
LONG = dict(warmup=100, draws=600, kept=800, chains=2)
SAMPLERS = {
    # Longer trajectories come back to where they began: three weights turn alike.
    "hmc": HMC(LINEAR, NOISE, leapfrogs=6, **LONG),
    "nuts": HMC(LINEAR, NOISE, sampler="nuts", **LONG),
    "sghmc": SGHMC(LINEAR, NOISE, chains=8, draws=4000, kept=4000, step=0.05),
}


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def _values(posterior):
    return np.asarray(jax.vmap(posterior.values, out_axes=-1)(jnp.asarray(NEW)))[0]


def _features(x):
    return np.c_[5**0.5 * (x - 0.5), np.full(len(x), 1.3**0.5)]


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("count", [0, N])
def test_samples_have_the_moments_of_the_conjugate_posterior(name, count):
    y = np.where(np.arange(N) < count, Y, np.nan)
    posterior = SAMPLERS[name].fit(KEY, pad(X, y[None], 16))
    phi, new = _features(X[:count]), _features(NEW)
    precision = np.eye(3) + phi.T @ phi / NOISE**2
    mean = new @ np.linalg.solve(precision, phi.T @ Y[:count]) / NOISE**2
    cov = new @ np.linalg.solve(precision, new.T)
    values, sd = _values(posterior), np.sqrt(cov.diagonal())
    assert np.max(np.abs(values.mean(0) - mean) / sd) < 0.2
    np.testing.assert_allclose(np.cov(values.T), cov, atol=0.25 * cov.max())
    assert float(posterior.diagnostics.r_hat[0]) < (1.2 if name == "sghmc" else 1.05)
    if name != "sghmc":
        assert int(posterior.diagnostics.divergences[0]) == 0


def test_a_network_has_the_posterior_that_numpyro_draws():
    infer = pytest.importorskip("numpyro.infer")
    network = MLP((3,))
    data = pad(X, Y[None], 16)
    ours = HMC(network, NOISE, chains=4, warmup=200, draws=400, kept=400, leapfrogs=20)
    fixed = math.log(NOISE), 1e-4

    def potential(place):
        x, y, seen = (jnp.asarray(a) for a in (data.x, data.y[0], data.seen[0]))
        return -log_density(network, x, y, seen, place, *fixed)

    sampler = infer.MCMC(
        infer.NUTS(potential_fn=potential, max_tree_depth=6),
        num_warmup=300,
        num_samples=600,
        num_chains=4,
        chain_method="vectorized",
        progress_bar=False,
    )
    starts = jax.random.normal(KEY, (4, network.size(2) + 1))
    sampler.run(KEY, init_params=starts)
    places = sampler.get_samples()[:, :-1]
    theirs = np.asarray(
        jax.vmap(lambda p: jax.vmap(network, (None, 0))(p, jnp.asarray(NEW)))(places)
    )
    values = _values(ours.fit(KEY, data))
    sd = theirs.std(0)
    assert np.max(np.abs(values.mean(0) - theirs.mean(0)) / sd) < 0.25
    np.testing.assert_allclose(values.std(0), sd, rtol=0.2)


def test_chains_that_do_not_agree_are_told_of():
    model = HMC(MLP((20,)), chains=2, warmup=20, draws=4, kept=4, leapfrogs=1)
    with pytest.warns(UserWarning, match=r"type HMC\(warmup=40"):
        model.fit(KEY, pad(X, Y[None], 16))


def test_chains_that_run_away_are_an_error():
    model = SGHMC(MLP((4,)), chains=2, warmup=5, draws=40, kept=4, step=1e6)
    with pytest.raises(SettingError, match=r"ran away: type SGHMC\(step=500000\)"):
        model.fit(KEY, pad(X, Y[None], 16))


@pytest.mark.parametrize(
    "make, match",
    [
        (lambda: HMC(sampler="gibbs"), "nuts"),
        (lambda: HMC(chains=1), "at least 2"),
        (lambda: HMC(draws=4, chains=2, kept=20), "keep fewer"),
        (lambda: SGHMC(step=0.0), "above 0"),
        (lambda: SGHMC(kept=1), "at least 2"),
    ],
)
def test_settings_without_a_meaning_are_refused(make, match):
    with pytest.raises(SettingError, match=match):
        make()
