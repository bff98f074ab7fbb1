import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pfnbo.pfn.kernel_head import TAIL, Config, predict
from pfnbo.pfn.network import put_together, structure, taken_apart

SMALL = Config(
    particles=3, refinements=2, cell_width=8, cell_blocks=1, width=16, heads=2
)
N, D, Q = 16, 3, 5


@pytest.fixture(scope="module")
def network():
    """Some network whose zero layers are not zero, as after training."""
    graph, params = taken_apart(SMALL.build(jax.random.key(0)))
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    pairs = zip(leaves, keys, strict=True)
    moved = [a + 0.1 * jax.random.normal(k, a.shape) for a, k in pairs]
    return graph, jax.tree.unflatten(tree, moved)


@jax.jit
def _infer(params, x, y, seen, columns):
    return put_together(structure(SMALL), params).infer(x, y, seen, columns)


def infer(network, x, y, seen=None, columns=None):
    seen = np.ones(len(y), bool) if seen is None else seen
    columns = np.ones(x.shape[1], bool) if columns is None else columns
    with jax.enable_x64(True):
        return _infer(network[1], x, np.where(seen, y, 0.0), seen, columns)


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(0)
    x = random.random((N, D))
    y = np.sin(5 * x[:, 0]) + x[:, 1]
    return x, (y - y.mean()) / y.std()


def test_particles_have_the_shape_and_dtype_of_the_data(network, table):
    particles = infer(network, *table)
    assert particles.theta.shape == (SMALL.particles, 3 * D + TAIL)
    assert particles.theta.dtype == jnp.float64
    assert np.isfinite(particles.theta).all()
    assert np.ptp(np.asarray(particles.theta), axis=0).max() > 0.1


def test_parameters_are_float32_in_a_float64_scope():
    with jax.enable_x64(True):
        made = jax.eval_shape(lambda: taken_apart(SMALL.build(jax.random.key(0)))[1])
    assert {str(a.dtype) for a in jax.tree.leaves(made)} == {"float32"}


def test_the_order_of_rows_does_not_matter(network, table):
    x, y = table
    order = np.random.default_rng(1).permutation(N)
    moved = infer(network, x[order], y[order])
    np.testing.assert_allclose(infer(network, x, y).theta, moved.theta, atol=1e-4)


def test_columns_permute_with_their_parameters(network, table):
    x, y = table
    order = np.array([2, 0, 1])
    plain = np.asarray(infer(network, x, y).theta)
    moved = np.asarray(infer(network, x[:, order], y).theta)
    for first in (0, D, 2 * D):
        own = plain[:, first : first + D][:, order]
        np.testing.assert_allclose(moved[:, first : first + D], own, atol=1e-4)
    np.testing.assert_allclose(moved[:, 3 * D :], plain[:, 3 * D :], atol=1e-4)


def test_unseen_rows_and_absent_columns_change_nothing(network, table):
    x, y = table
    plain = np.asarray(infer(network, x, y).theta)
    wide = np.full((2 * N, D + 2), 0.5)
    wide[:N, :D] = x
    wide[N:, :D] = 0.123
    seen = np.arange(2 * N) < N
    columns = np.arange(D + 2) < D
    padded = np.asarray(infer(network, wide, np.append(y, y), seen, columns).theta)
    np.testing.assert_allclose(padded[:, :D], plain[:, :D], atol=1e-4)
    np.testing.assert_allclose(padded[:, -TAIL:], plain[:, -TAIL:], atol=1e-4)


def test_one_row_and_equal_rows_give_finite_particles(network):
    for x, y in ((np.full((1, D), 0.2), np.zeros(1)), (np.ones((8, D)), np.ones(8))):
        assert np.isfinite(np.asarray(infer(network, x, y).theta)).all()


def test_prediction_is_that_of_each_particle_by_dense_algebra(network, table):
    x, y = table
    queries = np.random.default_rng(2).random((Q, D))
    with jax.enable_x64(True):
        particles = infer(network, x, y)
        mixture = predict(particles, x, y, np.ones(N, bool), queries)
        from pfnbo.kernel import covariance, gram, noise_variance, warp

        weights = []
        for i, theta in enumerate(particles.theta):
            rows, points = warp(theta, x), warp(theta, queries)
            k = np.asarray(gram(theta, rows, np.ones(N, bool), "blend"))
            cross = np.asarray(covariance(theta, rows, points, "blend"))
            prior = np.diag(covariance(theta, points, points, "blend"))
            inverse = np.linalg.inv(k)
            mean = cross.T @ inverse @ y
            var = prior - np.sum(cross * (inverse @ cross), 0) + noise_variance(theta)
            np.testing.assert_allclose(mixture.components.loc[:, i], mean, atol=1e-6)
            np.testing.assert_allclose(
                mixture.components.scale[:, i], np.sqrt(var), rtol=1e-4
            )
            evidence = -0.5 * (y @ inverse @ y + np.linalg.slogdet(k)[1])
            weights.append(evidence + particles.log_weight[i])
        np.testing.assert_allclose(mixture.log_weights[0], weights, atol=1e-5)
