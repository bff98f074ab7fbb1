import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pfnbo.errors import SettingError
from pfnbo.infinite import Infinite, arccos
from pfnbo.surrogates.mlp import MLP

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 3)) / 3**0.5
KINDS = [
    Infinite("relu", 1),
    Infinite("relu", 3),
    Infinite("erf", 2),
    Infinite("relu", 2, even=True),
]


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def _gram(network, a, b, weight=10.0, bias=1.3):
    return network.covariance(
        jnp.asarray(a), jnp.asarray(b), jnp.asarray(weight), jnp.asarray(bias)
    )


def test_one_relu_layer_is_the_arc_cosine_kernel():
    got = np.asarray(_gram(Infinite("relu", 1), X, X, 2.0, 0.5))
    inner = 0.5 + 2.0 * X @ X.T
    size = np.sqrt(np.outer(inner.diagonal(), inner.diagonal()))
    angle = np.arccos(np.clip(inner / size, -1, 1))
    moment = size * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2 * np.pi)
    one = 0.5 + 2.0 * 2.5 / 2
    np.testing.assert_allclose(got, (0.5 + 2.0 * moment) / one, rtol=1e-7)


@pytest.mark.parametrize("network", KINDS, ids=str)
def test_wide_networks_have_the_covariance(network):
    weight, bias = jnp.asarray(2.0), jnp.asarray(0.7)

    @jax.jit
    def values(key):
        layers = network.draw(key, 3, weight, bias)
        return jax.vmap(lambda x: network.apply(layers, x, weight, bias))(
            jnp.asarray(X)
        )

    f = np.asarray(jax.lax.map(values, jax.random.split(jax.random.key(1), 3000)))
    products = f[:, :, None] * f[:, None]
    error = products.std(0) / len(f) ** 0.5
    wanted = np.asarray(_gram(network, X, X, 2.0, 0.7))
    assert np.max(np.abs(products.mean(0) - wanted) / error) < 5


@pytest.mark.parametrize("network", KINDS, ids=str)
def test_it_is_positive_and_its_diagonal_is_the_variance(network):
    x = RNG.normal(size=(20, 3))
    gram = np.asarray(_gram(network, x, x))
    assert np.linalg.eigvalsh(gram).min() > -1e-9 * gram.max()
    variance = network.variance(jnp.asarray(x), jnp.asarray(10.0), jnp.asarray(1.3))
    np.testing.assert_allclose(gram.diagonal(), variance, rtol=1e-7)
    unit = np.array([[0.6, 0.8, 0.0]])
    np.testing.assert_allclose(_gram(network, unit, unit), 1, rtol=1e-7)


def test_relu_without_a_bias_is_homogeneous():
    once, twice = (_gram(Infinite("relu", 3), c * X, c * X, 2.0, 0.0) for c in (1, 2))
    np.testing.assert_allclose(twice, 4 * np.asarray(once), rtol=1e-7)


def test_an_even_one_doubts_all_points_alike_and_keeps_the_correlations():
    even, other = (np.asarray(_gram(Infinite(even=e), X, X)) for e in (True, False))
    np.testing.assert_allclose(even.diagonal(), 1, rtol=1e-7)
    sd = np.sqrt(other.diagonal())
    np.testing.assert_allclose(even, other / np.outer(sd, sd), rtol=1e-7)


@pytest.mark.parametrize("network", KINDS, ids=str)
def test_slopes_are_finite_where_points_meet(network):
    slope = jax.grad(lambda a: jnp.sum(_gram(network, a, X)))(jnp.asarray(X))
    step = 1e-6 * RNG.normal(size=X.shape)
    rise = jnp.sum(_gram(network, X + step, X) - _gram(network, X - step, X)) / 2
    np.testing.assert_allclose(jnp.sum(slope * step), rise, rtol=1e-3, atol=1e-9)


def test_what_is_no_network_is_refused():
    with pytest.raises(SettingError, match="relu"):
        Infinite("sigmoid")
    with pytest.raises(SettingError, match="hidden layer"):
        Infinite(depth=0)


def test_wide_multi_layer_perceptrons_have_the_same_correlations():
    network, limit = MLP((200, 200), "erf"), Infinite("erf", 2)
    x = jnp.asarray(RNG.uniform(size=(4, 3)))

    @jax.jit
    def values(key):
        params = jax.random.normal(key, (network.size(3),))
        return jax.vmap(lambda row: network(params, row))(x)

    f = np.asarray(jax.lax.map(values, jax.random.split(jax.random.key(2), 1500)))
    products = f[:, :, None] * f[:, None]
    error = products.std(0) / len(f) ** 0.5
    wanted = np.array(_gram(limit, (x - 0.5) / 3**0.5, (x - 0.5) / 3**0.5))
    wanted *= np.trace(products.mean(0)) / np.trace(wanted)
    assert np.max(np.abs(products.mean(0) - wanted) / error) < 5


def test_the_arc_cosine_is_that_of_numpy():
    c = np.concatenate([np.linspace(-1, 1, 2001), 1 - np.logspace(-15, -1, 50), [1.1]])
    got = np.asarray(arccos(jnp.asarray(c)))
    np.testing.assert_allclose(got, np.arccos(np.minimum(c, 1)), atol=1e-13)
