"""Deep kernels against dense algebra, and against what they would overfit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pfnbo import DKL, GP, MLP, NeuralLinear, SettingError
from pfnbo.data import pad
from pfnbo.kernel import covariance, gram

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
N, SIZE = 24, 32
X = RNG.uniform(size=(N, 1))
NEW = np.linspace(0.02, 0.98, 40)[:, None]
PLAIN = GP(additive=False, warp=False)


def _step(x):
    return np.where(x[:, 0] > 0.5, 1.0, -1.0) + 0.05 * np.sin(9 * x[:, 0])


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module")
def deep():
    with jax.enable_x64(True):
        return DKL().fit(KEY, pad(X, _step(X)[None], SIZE))


@jax.jit
def _losses(posterior, x, y):
    return -jax.vmap(posterior.observe)(x).log_prob(y[:, None])[:, 0]


def test_it_is_the_gaussian_process_of_the_moved_points(deep):
    assert float(deep.moves.reach[0]) > 0
    theta = deep.theta[0]
    rows, new = (
        jnp.asarray(x) + jax.vmap(deep.moves)(jnp.asarray(x))[:, 0] for x in (X, NEW)
    )
    k = np.asarray(gram(theta, rows, jnp.ones(N, bool), deep.kernel))
    across = np.asarray(covariance(theta, new, rows, deep.kernel))
    own = np.asarray(covariance(theta, new, new, deep.kernel))
    cov = own - across @ np.linalg.solve(k, across.T)
    mean = across @ np.linalg.solve(k, _step(X))
    x = jnp.asarray(NEW)
    np.testing.assert_allclose(deep.means(x)[0], mean, atol=1e-5)
    np.testing.assert_allclose(deep.covariance(x, x)[0], cov, atol=1e-5)
    draws = jax.jit(jax.vmap(lambda key: jax.vmap(deep.path(key))(x[:5])))
    draws = np.asarray(draws(jax.random.split(KEY, 800)))[:, :, 0]
    sd = np.sqrt(cov.diagonal()[:5])
    assert np.all(np.abs(draws.mean(0) - mean[:5]) < 0.3 * sd + 0.01)
    np.testing.assert_allclose(draws.std(0), sd, rtol=0.3, atol=0.01)


def test_a_step_is_predicted_better_than_by_the_process(deep):
    plain = PLAIN.fit(KEY, pad(X, _step(X)[None], SIZE))
    before, after = (_losses(p, NEW, _step(NEW)) for p in (plain, deep))
    assert np.mean(np.minimum(after, 10)) < np.mean(np.minimum(before, 10)) - 0.5


def test_noise_is_not_explained_by_features():
    x, y = RNG.uniform(size=(N, 3)), RNG.normal(size=(1, N))
    new, true = RNG.uniform(size=(40, 3)), RNG.normal(size=40)
    models = PLAIN, DKL(steps=60), NeuralLinear(folds=3)
    plain, deep, linear = (m.fit(KEY, pad(x, y / y.std(), SIZE)) for m in models)
    before, after, other = (
        np.mean(_losses(p, new, true)) for p in (plain, deep, linear)
    )
    assert after < before + 0.3
    assert other < 2.2 and float(linear.noise[0]) >= 0.09


def test_a_network_has_as_many_outputs_as_are_wanted():
    network = MLP((4,), outputs=3)
    params = jax.random.normal(KEY, (network.size(2),))
    x = jnp.asarray([0.2, 0.9])
    whole = network.all(params, x)
    assert whole.shape == (3,) and float(network(params, x)) == float(whole[0])
    # The parameters at the end are the last layer's.
    cut = params.at[-network.last(2) :].set(0)
    np.testing.assert_array_equal(network.all(cut, x), 0)


@pytest.mark.parametrize("model", [DKL, NeuralLinear])
def test_what_holds_nothing_out_is_refused(model):
    with pytest.raises(SettingError, match="at least 2"):
        model(folds=1)
