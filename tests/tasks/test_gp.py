import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pfnbo.kernel import KERNELS
from pfnbo.tasks import gp
from pfnbo.tasks.design import Design

COLUMNS = jnp.array([True, True, False])


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def covariance(kind, **settings):
    settings = dict(dropped=0.0, additive=0.0, lengths=gp.fixed(0.4)) | settings
    prior = gp.Gp(kinds=(kind,), weights=(1.0,), **settings)
    return prior.covariance(jax.random.key(0), jax.random.key(1), COLUMNS)


@pytest.mark.parametrize("kind", KERNELS)
def test_covariance_is_the_kernel(kind):
    x = np.random.default_rng(0).random((6, 3))
    r2 = (((x[:, None] - x[None]) / 0.4)[:, :, :2] ** 2).sum(2)
    expected = KERNELS[kind](jnp.asarray(r2))
    np.testing.assert_allclose(covariance(kind)(x, x), expected, rtol=1e-9)


@pytest.mark.parametrize("kind", gp.KINDS)
@pytest.mark.parametrize("additive", [0.0, 1.0])
def test_covariance_is_positive(kind, additive):
    x = np.random.default_rng(0).random((40, 3))
    x[20:] = x[0] + 1e-3 * x[20:]
    k = covariance(kind, additive=additive)(x, x)
    assert np.linalg.eigvalsh(k).min() > -1e-11
    np.testing.assert_allclose(np.diag(k), 1, rtol=1e-9)


def test_draws_have_the_covariance():
    x = jnp.array([[0.1, 0.2, 0.5], [0.3, 0.3, 0.5], [0.9, 0.8, 0.5]])
    prior = gp.Gp(("matern52",), (1.0,), gp.fixed(0.4), dropped=0.0, additive=0.0)
    keys = jax.random.split(jax.random.key(3), 20000)
    draw = jax.vmap(lambda k: prior(jax.random.key(0), k, COLUMNS)(x))
    found = np.cov(jax.jit(draw)(keys).T)
    np.testing.assert_allclose(found, covariance("matern52")(x, x), atol=0.04)


@pytest.mark.parametrize("kind", gp.SPECTRA)
def test_random_features_have_the_covariance(kind):
    x = jnp.array([[0.1, 0.2, 0.5], [0.3, 0.3, 0.5], [0.9, 0.8, 0.5]])
    prior = gp.Features((kind,), gp.fixed(0.4), dropped=0.0)
    keys = jax.random.split(jax.random.key(3), 5000)
    draw = jax.vmap(lambda k: prior(jax.random.key(0), k, COLUMNS)(x))
    found = np.cov(jax.jit(draw)(keys).T)
    np.testing.assert_allclose(found, covariance(kind)(x, x), atol=0.07)


def test_additive_features_are_a_sum_over_the_columns():
    x = np.random.default_rng(0).random((6, 3))
    prior = gp.Features(("rq",), gp.fixed(0.4), dropped=0.0, additive=1.0)
    keys = jax.random.split(jax.random.key(3), 5000)
    draw = jax.vmap(lambda k: prior(jax.random.key(0), k, COLUMNS)(x))
    found = np.cov(jax.jit(draw)(keys).T)
    gap = (x[:, None] - x[None]) / 0.4
    each = [gp.rational(gap[..., j] ** 2) for j in np.flatnonzero(COLUMNS)]
    np.testing.assert_allclose(found, np.mean(each, 0), atol=0.07)


def test_predictive_is_the_conditional_of_dense_algebra():
    x = np.random.default_rng(0).random((10, 3))
    live = jnp.arange(10) != 5  # the last context row is not there
    kernel, noise = covariance("matern32"), 0.05
    root = kernel.root(x, jnp.array(noise), live)
    normals = jax.random.normal(jax.random.key(0), (10,))
    mean, sd = gp.predictive(root, normals, 6)
    y = (root @ normals)[:5]
    k = np.asarray(kernel(x, x)) + (noise + gp.jitter()) * np.eye(10)
    solved = np.linalg.solve(k[:5, :5], k[:5, 6:])
    np.testing.assert_allclose(mean, solved.T @ y, rtol=1e-8)
    variance = np.diag(k[6:, 6:] - k[6:, :5] @ solved)
    np.testing.assert_allclose(sd, np.sqrt(variance), rtol=1e-8)


def test_predictive_is_calibrated():
    from pfnbo.tasks.task import Sizes, draw

    prior = gp.Exact(gp.Gp(), Design())
    tasks = jax.jit(lambda k: draw(k, prior, Sizes(16, 8, 3), 256, 32))(
        jax.random.key(0)
    )
    z = (tasks.y[:, 16:] - tasks.mean) / tasks.sd
    assert np.isfinite(z).all() and abs(z.mean()) < 0.1 and abs(z.std() - 1) < 0.07
