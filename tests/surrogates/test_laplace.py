import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pfnbo import MLP, Laplace
from pfnbo.data import pad
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


def _fit(network, **settings):
    model = Laplace(network, noise=0.3, scale=1.0, steps=30, **settings)
    return model.fit(KEY, pad(X, Y[None], 16))


def _features(posterior, x):
    each = jax.vmap(posterior.model, (None, None, 0))
    return np.asarray(each(posterior.params[0], 1.0, x)[1])


@pytest.mark.parametrize("last_layer", [False, True])
@pytest.mark.parametrize("widths", [(), (6,)])
def test_function_space_equals_weight_space(last_layer, widths):
    posterior = _fit(MLP(widths), last_layer=last_layer)
    phi, new = (_features(posterior, jnp.asarray(x)) for x in (X, NEW))
    precision = np.eye(phi.shape[1]) + phi.T @ phi / 0.09
    at = jax.vmap(posterior.predict)(jnp.asarray(NEW))
    cov = new @ np.linalg.solve(precision, new.T)
    np.testing.assert_allclose(at.var[:, 0], cov.diagonal(), rtol=1e-4)
    offset = np.asarray(posterior.offsets)[0, :8]
    weights = np.linalg.solve(precision, phi.T @ (Y - offset)) / 0.09
    model = jax.vmap(posterior.model, (None, None, 0))
    start = np.asarray(model(posterior.params[0], 1.0, jnp.asarray(NEW))[0])
    np.testing.assert_allclose(at.mean[:, 0], start + new @ weights, rtol=1e-4)
    draws = np.asarray(posterior.sample(KEY, jnp.asarray(NEW), 4000))[:, 0]
    np.testing.assert_allclose(np.cov(draws.T), cov, atol=0.1 * cov.max())


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


def test_noise_and_scale_are_learned():
    x = RNG.uniform(size=(40, 2))
    f = np.sin(3 * x[:, 0]) + x[:, 1]
    for noise in (0.01, 0.3):
        y = (f + noise * RNG.normal(size=40))[None]
        found = Laplace(MLP((10,))).fit(KEY, pad(x, y, 64))
        assert found.noise[0] ** 0.5 == pytest.approx(noise)
        assert found.scale[0] in np.float64(SCALES)
    given = Laplace(MLP((10,)), noise=0.1, scale=2.0).fit(KEY, pad(x, y, 64))
    assert given.scale[0] == 2 and given.noise[0] == pytest.approx(0.01)


def test_the_evidence_calls_more_of_a_rough_function_noise():
    x = RNG.uniform(size=(40, 2))
    y = (np.sin(12 * x[:, 0]) * np.cos(9 * x[:, 1]))[None]
    first, second = (
        Laplace(MLP((10,)), evidence=evidence).fit(KEY, pad(x, y, 64))
        for evidence in (False, True)
    )
    assert second.noise[0] >= first.noise[0]
    last = Laplace(MLP((10,)), last_layer=True).fit(KEY, pad(x, y, 64))
    assert last.noise[0] == second.noise[0] and last.scale[0] == second.scale[0]
