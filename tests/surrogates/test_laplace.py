import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pfnbo import MLP, Laplace, SettingError
from pfnbo.data import pad
from pfnbo.surrogates.gauss_newton import Table, log_evidence, log_left_out
from pfnbo.surrogates.laplace import SCALES

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
X = RNG.uniform(size=(8, 2))
Y = X[:, 0] - 2 * X[:, 1] + 0.3 * RNG.normal(size=8)
NEW = np.array([[0.1, 0.9], [0.8, 0.2], [0.5, 0.5]])


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def _fit(network, scale=1.0, **settings):
    model = Laplace(network, noise=0.3, scale=scale, steps=30, **settings)
    return model.fit(KEY, pad(X, Y[None], 16))


@pytest.mark.parametrize("last_layer", [False, True])
@pytest.mark.parametrize("widths", [(), (6,)])
@pytest.mark.parametrize("scale", [0.5, 1.0])
def test_function_space_equals_weight_space(last_layer, widths, scale):
    posterior = _fit(MLP(widths), scale, last_layer=last_layer)
    model = jax.vmap(posterior.model, (None, None, 0))
    start, new = map(np.asarray, model(posterior.params[0], 1.0, jnp.asarray(NEW)))
    phi = np.asarray(model(posterior.params[0], 1.0, jnp.asarray(X))[1])
    precision = np.eye(phi.shape[1]) / scale**2 + phi.T @ phi / 0.09
    at = jax.vmap(posterior.predict)(jnp.asarray(NEW))
    cov = new @ np.linalg.solve(precision, new.T)
    np.testing.assert_allclose(at.var[:, 0], cov.diagonal(), rtol=1e-4)
    own = posterior.covariance(jnp.asarray(NEW), jnp.asarray(NEW))[0]
    np.testing.assert_allclose(own, cov, rtol=1e-4, atol=1e-7)
    offset = np.asarray(posterior.offsets)[0, :8]
    weights = np.linalg.solve(precision, phi.T @ (Y - offset)) / 0.09
    np.testing.assert_allclose(at.mean[:, 0], start + new @ weights, rtol=1e-4)
    draws = np.asarray(posterior.sample(KEY, jnp.asarray(NEW), 4000))[:, 0]
    np.testing.assert_allclose(np.cov(draws.T), cov, atol=0.1 * cov.max())
    again = posterior.condition(pad(X, Y[None], 16))
    np.testing.assert_allclose(again.alpha, posterior.alpha, rtol=1e-9)


def test_a_linear_network_is_bayesian_regression():
    posterior = _fit(MLP(()))
    phi = np.c_[5**0.5 * (X - 0.5), np.full(8, 1.3**0.5)]
    new = np.c_[5**0.5 * (NEW - 0.5), np.full(3, 1.3**0.5)]
    precision = np.eye(3) + phi.T @ phi / 0.09
    at = jax.vmap(posterior.predict)(jnp.asarray(NEW))
    wanted = new @ np.linalg.solve(precision, phi.T @ Y) / 0.09
    np.testing.assert_allclose(at.mean[:, 0], wanted, atol=1e-5)
    var = np.sum(new * np.linalg.solve(precision, new.T).T, 1)
    np.testing.assert_allclose(at.var[:, 0], var, rtol=1e-5)


def test_noise_is_learned_and_both_may_be_given():
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(40, 2))
    f = np.sin(3 * x[:, 0]) + x[:, 1]
    error = rng.normal(size=40)
    quiet, loud = (
        Laplace(MLP((10,))).fit(KEY, pad(x, (f + noise * error)[None], 64)).noise[0]
        for noise in (0.01, 0.3)
    )
    assert quiet < 0.1**2 < loud
    given = Laplace(MLP((10,)), noise=0.1, scale=2.0).fit(KEY, pad(x, f[None], 64))
    assert given.scale[0] == 2 and given.noise[0] == pytest.approx(0.01)


def test_the_scale_that_is_worth_most_is_taken():
    x = np.random.default_rng(0).uniform(size=(20, 2))
    data = pad(x, (np.sin(9 * x[:, 0]) * np.cos(7 * x[:, 1]))[None], 32)
    table, network = Table(data.x, data.y[0], data.seen[0]), MLP((10,))
    each = [Laplace(network, noise=0.1, scale=s).fit(KEY, data) for s in SCALES]
    found = []
    for worth, settings in (
        (log_left_out, dict()),
        (log_evidence, dict(evidence=True)),
        (log_evidence, dict(last_layer=True)),
    ):
        worths = [
            worth(network, table, at.params[0], at.noise[0], at.scale[0]) for at in each
        ]
        best = Laplace(network, noise=0.1, **settings).fit(KEY, data).scale[0]
        assert best == SCALES[int(np.argmax(worths))]
        found.append(float(best))
    assert found[0] < found[1]  # so that one can't stand for the other


@pytest.mark.parametrize("scale", [0, -1.0, np.inf, np.nan])
def test_a_scale_that_is_none_is_refused(scale):
    with pytest.raises(SettingError, match="above 0"):
        Laplace(scale=scale)
